"""Denoising by global non-local means (subquad) and by windowed ones (OpenCV, scikit-image).

All methods get the same noisy 8-bit picture, made by `subquad denoise --noise`. Times are of the
whole call, decoding left out for the libraries, one call each: on a shared machine compare within
a row only. The libraries' strengths are those that their documentation gives for a known noise,
or the best of those tried on the tuning pictures (--tune).
"""
import argparse
import csv
import json
import pathlib
import subprocess
import time

import cv2
import numpy as np
from skimage.restoration import denoise_nl_means

TUNING = ["n01644900_tailed_frog", "n02096177_cairn", "n04604644_worm_fence"]
REPORTED = ["n01440764_tench", "n01843383_toucan", "n02128385_leopard", "n03661043_library",
            "n04346328_stupa"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--subquad", required=True)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/denoise"))
    parser.add_argument("--images", type=pathlib.Path, default=pathlib.Path("../shared/data/images"))
    parser.add_argument("--noise", type=float, default=25)
    parser.add_argument("--crop", type=int, default=240, help="side of the square of the middle; 0: whole pictures")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--picture", action="append", help="names without extension; default: the five")
    parser.add_argument("--setting", action="append",
                        help="options of `subquad denoise`, as one word; repeat for several")
    parser.add_argument("--tune", action="store_true", help="the tuning pictures, several strengths")
    return parser.parse_args()


def middle(picture, side):
    if side == 0:
        return picture
    top, left = ((size - side) // 2 for size in picture.shape[:2])
    return picture[max(top, 0):top + side, max(left, 0):left + side]


def psnr(a, b):
    square = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return 10 * np.log10(255 ** 2 / square)


def timed(call):
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def run_subquad(options, picture, setting, folder):
    words = [options.subquad, "denoise", str(picture), str(folder / "clean.png"), "--noise",
             str(options.noise), "--seed", "1", "--threads", str(options.threads), "--noisy",
             str(folder / "noisy.png"), "--json", "-", *setting.split()]
    if "topk" in setting:
        words += ["--compare", str(folder / ("three_" + picture.stem + ".png"))]
    run = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)["runs"][0]
    return run["psnr_after"], run["median_s"], run


def opencv(noisy, h):
    return cv2.fastNlMeansDenoising(noisy, None, h, 7, 21)


def opencv_coloured(noisy, h):
    return cv2.fastNlMeansDenoisingColored(noisy, None, h, h, 7, 21)


def skimage(noisy, h, sigma):
    result = denoise_nl_means(noisy.astype(np.float32) / 255, h=h / 255, sigma=sigma / 255,
                              fast_mode=True, patch_size=7, patch_distance=10, channel_axis=-1)
    return np.clip(np.round(255 * result), 0, 255)


# h / sigma: the best of --tune at sigma = 25.
STRENGTHS = {"OpenCV fastNlMeansDenoisingColored": 0.5, "OpenCV fastNlMeansDenoising": 0.9,
             "scikit-image denoise_nl_means": 0.5}


def libraries(options, noisy, clean):
    """(name, PSNR, seconds) of the windowed methods, 7 x 7 patches, 21 x 21 windows."""
    calls = [opencv_coloured, opencv, lambda picture, h: skimage(picture, h, options.noise)]
    for (name, usual), call in zip(STRENGTHS.items(), calls):
        for strength in [0.4, 0.5, 0.6, 0.75, 0.9, 1.1] if options.tune else [usual]:
            result, seconds = timed(lambda: call(noisy, strength * options.noise))
            yield f"{name}, h = {strength:.2g} sigma", psnr(result, clean), seconds


SETTINGS = ["--method exact", "--method far", "--attention topk(k=64) --recheck 1e-9",
            "--attention far(error=0.1)"]


def main():
    options = arguments()
    cv2.setNumThreads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    names = options.picture or (TUNING if options.tune else REPORTED)
    rows = []
    for name in names:
        clean = middle(cv2.imread(str(options.images / (name + ".JPEG"))), options.crop)
        picture = options.out / (name + ".png")
        cv2.imwrite(str(picture), clean)
        for setting in options.setting or (["--bandwidth 1e3 --components 1 --method far"] if options.tune
                                           else SETTINGS):
            after, seconds, run = run_subquad(options, picture, setting, options.out)
            rows.append((name, "subquad " + setting, after, seconds, run["psnr_before"], run["path"],
                         run["checked_rows"]))
            print(*rows[-1], flush=True)
        noisy = cv2.imread(str(options.out / "noisy.png"))
        for method, after, seconds in libraries(options, noisy, clean):
            rows.append((name, method, after, seconds, psnr(noisy, clean), "", ""))
            print(*rows[-1], flush=True)
    with open(options.out / "denoise.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "method", "psnr", "seconds", "psnr_noisy", "path", "checked_rows"])
        writer.writerows(rows)
    print("\nmean over pictures: PSNR, seconds")
    for method in dict.fromkeys(row[1] for row in rows):
        chosen = [row for row in rows if row[1] == method]
        print(f"{np.mean([row[2] for row in chosen]):6.2f} {np.mean([row[3] for row in chosen]):7.2f}  {method}")


if __name__ == "__main__":
    main()
