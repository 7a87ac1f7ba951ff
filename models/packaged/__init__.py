"""Models that Python packages carry, written as Hugging Face folders: one file a format, and what is known of each
package."""
