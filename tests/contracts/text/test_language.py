"""The language of a text is told without a network, and not guessed from a word."""

import subprocess
import sys

import pytest

from contracts.text.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Wir suchen eine Krankenschwester für unsere Klinik in Berlin.", "german"),
        ("Nous recherchons un infirmier de nuit pour notre clinique à Lyon.", "french"),
        ("Buscamos una enfermera para nuestro hospital en Madrid, turno de noche.", "spanish"),
        ("Procuramos um enfermeiro para o turno da noite em Lisboa.", "portuguese"),
        ("Vi söker en sjuksköterska till vår mottagning i Malmö.", "swedish"),
        ("We are looking for a nurse who can work at night in our clinic.", "english"),
        ("Camarero. Buscamos camarero para restaurante en Madrid.", "spanish"),
        ("Se busca cocinero con experiencia para cocina", "spanish"),
        ("Enfermero/a. Buscamos enfermero para la clinica.", "spanish"),
        ("Vendedora de loja. Procuramos vendedora para shopping", "portuguese"),
        ("Kelner. Zoekt kelner voor restaurant", "dutch"),
        ("Cameriere. Cerchiamo cameriere per ristorante a Roma", "italian"),
        ("Serveur. Restaurant cherche serveur pour le soir", "french"),
        ("Koch gesucht fuer Restaurant in Berlin", "german"),
        ("Kucharz. Restauracja w Warszawie szuka kucharza do pracy", "polish"),
        ("Garson araniyor, restoran icin deneyimli", "turkish"),
        ("Nurse in Berlin or Madrid", "english"),
        ("Chef de partie, Le Bernardin, New York", "english"),
        ("Sous chef at La Casa, experience in a kitchen", "english"),
        ("Barista (m/f/d)", "english"),
        ("Java, Python, Kubernetes, Docker, AWS", "english"),
        ("Nurse", "english"),
        ("", "english"),
        ("看護師 夜勤", "english"),
    ],
)
def test_the_language_of_a_text(text: str, language: str) -> None:
    assert language_of(text) == language


def test_too_little_text_is_of_the_default() -> None:
    assert language_of("Krankenschwester", default="german") == "german"


def test_a_plainly_english_text_loads_no_detector() -> None:
    code = (
        "import sys; from contracts.text.language import language_of; "
        "language_of('We are looking for a nurse for the night.'); print('py3langid' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
