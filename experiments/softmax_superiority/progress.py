"""A progress bar on stderr."""
import sys
import time

WIDTH = 40


class Bar:
    """Redrawn in place on a terminal; elsewhere one line each tenth."""

    def __init__(self, total, title):
        self.total, self.title = total, title
        self.done, self.shown, self.start = 0, -1, time.monotonic()
        self.terminal = sys.stderr.isatty()

    def advance(self, amount):
        self.done += amount
        share = self.done / self.total
        step = int(share * (200 if self.terminal else 10))
        if step != self.shown:
            self.shown = step
            self.draw(share)

    def draw(self, share):
        elapsed = time.monotonic() - self.start
        filled = int(share * WIDTH)
        text = (f"{self.title} [{'#' * filled}{'.' * (WIDTH - filled)}] {share:4.0%} "
                f"{elapsed:.0f} s, {elapsed * (1 / share - 1):.0f} s left")
        print(f"\r{text}\x1b[K" if self.terminal else text, end="" if self.terminal else "\n",
              file=sys.stderr, flush=True)

    def close(self):
        if self.terminal:
            print(file=sys.stderr)
