"""Progress bars as the usual libraries print them, and lines that only look like one."""

from __future__ import annotations

import pytest

from qwex.controller.bars import progress_of


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        # tqdm
        ("  0%|          | 0/100 [00:00<?, ?it/s]", 0.0),
        (" 45%|████▌     | 45/100 [00:04<00:05, 10.0it/s]", 0.45),
        ("Epoch 3:   1%|1         | 12/1000 [00:01<01:40,  9.8it/s, loss=0.5]", 0.012),
        ("100%|##########| 100/100 [00:10<00:00,  9.99it/s]", 1.0),
        (" 33%|███▎      | 512k/1.50M [00:01<00:02, 500kB/s]", 0.33),
        ("  0%|          | 0.00/1.50M [00:00<?, ?B/s]", 0.0),
        ("train: 3/10 [00:01<00:03,  2.00it/s]", 0.3),
        # Keras 2 and 3
        ("  3/10 [========>.....................] - ETA: 4s - loss: 0.9", 0.3),
        ("10/10 [==============================] - 5s 500ms/step", 1.0),
        (" 0/10 [..............................] - ETA: 0s", 0.0),
        ("235/469 ━━━━━━━━━━━━━━━━━━━━ 1s 5ms/step - accuracy: 0.87", 235 / 469),
        # rich and pip
        ("Working... ━━━━━━━━━━━━━━╸━━━━━━━━━━━━━━━━━  38% 0:00:07", 0.38),
        ("Training ━━━━━━━━━━━━━━━━━━━━━━━━ 100% 0:00:00", 1.0),
        ("   ━━━━━━━━━━━━━━━━━━━━╺━━━━━━━━━━━ 1.5/3.0 MB 10.1 MB/s eta 0:00:01", 0.5),
        # progressbar2
        (" 45% |##########              | ETA: 0:00:05", 0.45),
    ],
)
def test_bars(line, progress):
    assert progress_of(line) == pytest.approx(progress)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Epoch 3/10",
        "accuracy 45%",
        "| 45% | 3 | a table |",
        "45%| of all",
        "tests/test_a.py ..... [ 45%]",
        "step 3/10 [train.py]",
        "45it [00:01, 30.1it/s]",
        "145%|##########| 145/100 [00:10<00:00]",
        "0/0 [00:00<?, ?it/s]",
        "2024/11 [==>..] - a date",
        "http://host/3/10 [=>.]",
        "━━━━━━━━━━ Summary ━━━━━━━━━━",
        "1.45%|####",
        "x" * 10_000 + " 45%|████▌     | 45/100 [00:04<00:05]",
    ],
)
def test_no_bars(line):
    assert progress_of(line) is None
