"""The face mesh: time a face, memory over many frames, and what a second process brings to an extraction.

`python benchmarks/facemesh.py` shows a drawn face of about 300 pixels in 640x480 frames to the mesh, live (the next
frame is sent as soon as the faces of the last are there) and as a video, and sends batches of 48x48 faces through the
processes of an extraction. Each part runs in a new process.
"""

import argparse
import os
import time
from multiprocessing import active_children
from pathlib import Path

import cv2
import numpy as np
from common import fresh, show

from fer.config import compose
from fer.drawing import EXPRESSIONS, draw_face
from fer.landmarks import Mode
from fer.mesh_csv import MeshCsv
from fer.workers import Images, processes

WARM = 200
"""Frames before the memory is read for the first time."""


def frames(count: int = 20) -> list[np.ndarray]:
    """Return a face that moves to and fro, uint8 (480, 640, 3)."""
    face = cv2.resize(draw_face("happy", 256, np.random.default_rng(1), True)[0], (400, 400))
    images = []
    for number in range(count):
        image = np.full((480, 640, 3), 128, np.uint8)
        shift = 100 + 2 * min(number, count - number)
        image[40:440, shift : shift + 400] = face
        images.append(image)
    return images


def follow(mode: Mode, count: int) -> tuple[float, float, float]:
    """Return milliseconds a face, those of the CPU, and by how many MB the process grew after the first frames."""
    images, warm = frames(), min(WARM, count // 2)
    with compose("capture", "mesh.faces=1").mesh.open(mode) as finder:
        newest: list = []
        for number in range(warm + count):
            if number == warm:
                before, start, cpu = resident(), time.perf_counter(), time.process_time()
            faces = finder.find(images[number % len(images)], 33 * number)
            while mode == "live" and (not finder.newest or finder.newest is newest):
                time.sleep(0.0005)
            newest = finder.newest if mode == "live" else faces
            assert len(newest) == 1
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        grown = resident() - before
    return 1000 * seconds / count, 1000 * cpu / count, grown


def resident() -> float:
    """Return this process's resident memory in MB (10^6 bytes)."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024 / 1e6


def extract(workers: int, batches: int) -> tuple[float, float]:
    """Return images a second, and CPU milliseconds an image, of processes that have started."""
    rng = np.random.default_rng(0)
    pixels = np.stack([draw_face(EXPRESSIONS[number % 7], 48, rng, False)[0] for number in range(64)])
    names = [str(number) for number in range(64)]
    images = Images(pixels=pixels, labels=names, parts=names, names=names, rows=range(64), split="train")
    with processes(workers, compose("extract").mesh, MeshCsv(packed=False), Path()) as submit:
        for result in [submit(images) for _ in range(2 * workers)]:
            result.result()
        start, cpu = time.perf_counter(), children()
        for result in [submit(images) for _ in range(batches)]:
            result.result()
        return batches * 64 / (time.perf_counter() - start), 1000 * (children() - cpu) / batches / 64


def children() -> float:
    """Return the seconds of CPU that the worker processes have used."""
    stats = [Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2] for child in active_children()]
    return sum(sum(map(int, stat.split()[11:13])) for stat in stats) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--batches", type=int, default=16, help="of 64 images, for the extraction")
    parser.add_argument("--smoke", action="store_true", help="40 frames, 2 batches: only to see that it runs")
    args = parser.parse_args()
    count, batches = (40, 2) if args.smoke else (args.frames, args.batches)
    live, video = fresh(follow, "live", count), fresh(follow, "video", count)
    one, two = fresh(extract, 1, batches), fresh(extract, 2, batches)
    rows = []
    for mode, (wall, cpu, grown) in (("live", live), ("video", video)):
        rows.append([wall / 25, f"{mode}, ms a face", wall, 25.0])
        rows.append([cpu / 50, f"{mode}, ms a face of two cores", cpu, 50.0])
        rows.append([grown / 10, f"{mode}, MB more after {count:,} frames", grown, 10.0])
    rows.append([two[0] / one[0] / 1.7, "extraction, 2 processes against 1", two[0] / one[0], 1.7])
    show(["of goal", "what", "measured", "goal"], rows)
    print("time and memory: at most the goal; extraction: at least")
    for workers, (rate, cpu) in ((1, one), (2, two)):
        print(f"extraction with {workers}: {rate:.0f} images/s, {cpu:.1f} ms of CPU an image")


if __name__ == "__main__":
    main()
