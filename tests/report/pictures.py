"""Whether pictures look like the expected ones: python3 pictures.py [--update] EXPECTED PNG...

Both are compared at a width of 120 pixels, where another font or another CPU's last digits do not
show, but a missing curve, a shifted panel or another colour does. --update writes the expected ones.
"""
import os
import sys

from PIL import Image, ImageChops, ImageFilter

WIDTH = 120
# Of 255. Text in another font of the same size moves the mean by less than 1; a curve in another
# colour moves some pixels by more than 40 (both measured).
MOST_MEAN, FAR, MOST_FAR = 2.0, 40, 0.004


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
    mean = sum(values) / len(values)
    far = sum(value > FAR for value in values) / len(values)
    print(f"mean difference {mean:.2f} of at most {MOST_MEAN}, share far off {far:.4f} of {MOST_FAR}")
    if mean > MOST_MEAN or far > MOST_FAR:
        return "it looks different"
    return None


def main(arguments):
    update = "--update" in arguments
    folder, *paths = [a for a in arguments if a != "--update"]
    failed = False
    for path in paths:
        expected = os.path.join(folder, os.path.basename(path))
        if update:
            small(path).save(expected, optimize=True)
            continue
        why = difference(small(path), small(expected))
        print(f"{path}: {why or 'as expected'}")
        failed |= why is not None
    return failed or not paths


sys.exit(main(sys.argv[1:]))
