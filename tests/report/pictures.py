"""Whether pictures look like the expected ones: python3 pictures.py [--update] EXPECTED PNG...

Both are compared at a width of 240 pixels, each blurred by one. --update writes the expected ones.
The font has to be the same: another one moves the axes.
"""
import os
import sys

from PIL import Image, ImageChops, ImageFilter

WIDTH = 240
# Of 255, and the share of pixels that may differ by more. Measured: the same program again 0; one of
# three curves in another colour 0.012 to 0.027; another font 0.057 and more.
FAR, MOST_FAR = 20, 0.003


def small(path):
    picture = Image.open(path).convert("RGB")
    height = round(picture.height * WIDTH / picture.width)
    return picture.resize((WIDTH, height), Image.Resampling.BOX)


def difference(picture, expected):
    if abs(picture.height - expected.height) > 2:
        return f"its shape is {picture.size}, not {expected.size}"
    expected = expected.resize(picture.size)
    blurred = [p.filter(ImageFilter.BoxBlur(1)) for p in (picture, expected)]
    bands = ImageChops.difference(*blurred).split()
    worst = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
    values = list(worst.getdata())
    far = sum(value > FAR for value in values) / len(values)
    return f"{far:.4f} of it looks different, at most {MOST_FAR}" if far > MOST_FAR else None


def main(arguments):
    update = "--update" in arguments
    folder, *paths = [a for a in arguments if a != "--update"]
    failed = False
    for path in paths:
        expected = os.path.join(folder, os.path.basename(path))
        if update:
            colours = small(path).quantize(256, dither=Image.Dither.NONE)
            colours.save(expected, optimize=True)
            continue
        why = difference(small(path), small(expected))
        print(f"{path}: {why or 'as expected'}")
        failed |= why is not None
    return failed or not paths


sys.exit(main(sys.argv[1:]))
