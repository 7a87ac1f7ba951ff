"""What every training run needs: the loop, losses, rows and batches, metrics, saved states, processes.

In: a module, batches and a loss. Out: the best state on validation. Knows no task and no file of a workspace but its
own states.
"""
