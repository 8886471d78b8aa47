"""How soon the demo's page is there, how soon a picture is answered, and whether ten visitors at once lose anything.

`python benchmarks/demo.py face.tflite` starts `python -m fer demo` and speaks to it as the page's own script does.
"""

import argparse
import base64
import io
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from common import fresh, show
from PIL import Image

from fer.drawing import EXPRESSIONS, draw_face

ROOT = Path(__file__).resolve().parents[1]
VISITORS = 10
FIRST, ANSWER = 5.0, 300.0
"""The goals: seconds to the first page, milliseconds of an answer."""


class Demo:
    """A demo that runs, as one visitor after the other sees it."""

    def __init__(self, model: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address, began = f"http://127.0.0.1:{port}", time.perf_counter()
        words = [sys.executable, "-m", "fer", "demo", f"port={port}", f"models={model}"]
        self.process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (page := self._page()):
            if self.process.poll() is not None:
                sys.exit(f"{' '.join(words)} ended with {self.process.returncode}")
        self.started, self.spent = time.perf_counter() - began, self.cpu()
        config = json.loads(re.search(r"window\.gradio_config = (\{.*?\});</script>", page, re.DOTALL)[1])
        self._event = next(each["id"] for each in config["dependencies"] if len(each["targets"]) > 2)
        self._model = next(
            each["props"]["value"] for each in config["components"] if each["props"].get("elem_id") == "fer-model"
        )

    def _page(self) -> str:
        try:
            with urllib.request.urlopen(self.address, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            time.sleep(0.02)
            return ""

    def cpu(self) -> float:
        """Return the CPU seconds of the demo so far: nearly the same on a busy machine as on an idle one."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, picture: str) -> tuple[float, str]:
        """Send a picture; return the milliseconds until its answer was there, and the answer."""
        began, session = time.perf_counter(), uuid.uuid4().hex
        data = [picture, self._model, "none", False, False]
        sent = json.dumps({"data": data, "fn_index": self._event, "session_hash": session}).encode()
        join = urllib.request.Request(
            f"{self.address}/gradio_api/queue/join", sent, {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(join, timeout=60).close()
        with urllib.request.urlopen(
            f"{self.address}/gradio_api/queue/data?session_hash={session}", timeout=60
        ) as lines:
            for line in lines:
                said = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if said.get("msg") == "process_completed":
                    html = said["output"]["data"][0] if said["success"] else ""
                    return 1000 * (time.perf_counter() - began), html
        return 1000 * (time.perf_counter() - began), ""


def pictures(count: int) -> list[str]:
    """Return drawn faces on 640x480 pixels as a browser sends them: JPEG in a data URL."""
    sent = []
    for number in range(count):
        canvas = np.full((480, 640, 3), 96, np.uint8)
        face = draw_face(EXPRESSIONS[number % 7], 400, np.random.default_rng(number), True)[0]
        canvas[40:440, 120:520] = face
        file = io.BytesIO()
        Image.fromarray(canvas).save(file, "JPEG", quality=90)
        sent.append(f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}")
    return sent


def classes(html: str) -> list[str]:
    """Return what an answer says of each face, without its times."""
    return re.findall(r"<strong>(.*?)</strong> (\d+%)", html)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a .tflite file or a run folder", nargs="?", default="")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--smoke", action="store_true", help="an untrained network, few pictures: to see that it runs")
    args = parser.parse_args()
    if not (args.model or args.smoke):
        parser.error("give a model, or --smoke")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(args.model).resolve() if args.model else fresh(untrained, folder)
        demo = Demo(str(model))
        try:
            rows, lost = measured(demo, 3 if args.smoke else args.repeats)
        finally:
            demo.process.terminate()
            demo.process.wait(30)
    show(["of goal", "what", "best", "median", "worst", "CPU", "goal"], rows)
    print(f"{VISITORS} visitors at once: {lost} answers lost or another's")
    sys.exit(1 if lost else 0)


def measured(demo: Demo, repeats: int) -> tuple[list[list], int]:
    """Return the rows of the table, and how many of the visitors got no answer or a wrong one."""
    sent = pictures(VISITORS)
    demo.ask(sent[0])  # the model is loaded for it
    alone = [demo.ask(picture) for picture in sent]
    before = demo.cpu()
    times = [demo.ask(sent[number % VISITORS])[0] for number in range(repeats)]
    between = demo.cpu()
    with ThreadPoolExecutor(VISITORS) as pool:
        together = list(pool.map(demo.ask, sent))
    wrong = [
        not classes(one) or classes(one) != classes(other) for (_, one), (_, other) in zip(alone, together, strict=True)
    ]
    crowd, after = [each[0] for each in together], demo.cpu()
    rows = [
        [demo.started / FIRST, "first page, s", demo.started, demo.started, demo.started, demo.spent, FIRST],
        _row("one visitor, ms", times, between - before),
        _row(f"{VISITORS} at once, ms", crowd, after - between),
    ]
    return rows, sum(wrong)


def untrained(folder: str) -> Path:
    """Write a finished run whose network has never learned anything."""
    from fer import artifact
    from fer.config import compose

    run = compose("train", "experiment=smoke", "augmentation=none")
    run.runtime.apply(seed=0)
    run_folder, spec = artifact.RunFolder(Path(folder) / "untrained"), run.dataset.spec()
    run_folder.begin()
    run.model.build(spec).save(run_folder.model)
    run_folder.finish({"contract": artifact.contract(spec), "config": {"dataset": {}}})
    return run_folder.path


def _row(what: str, times: list[float], cpu: float) -> list:
    median = statistics.median(times)
    return [median / ANSWER, what, min(times), median, max(times), 1000 * cpu / len(times), ANSWER]


if __name__ == "__main__":
    main()
