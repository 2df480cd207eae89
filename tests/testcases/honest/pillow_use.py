# What people do with Pillow: draw, resize, filter, and read back every common format, from memory and from files.
import io

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

photo = Image.radial_gradient("L").resize((640, 480), Image.LANCZOS).convert("RGB")
draw = ImageDraw.Draw(photo)
draw.rectangle((20, 20, 200, 120), fill=(200, 30, 30), outline="white", width=3)
draw.text((40, 60), "gild", font=ImageFont.load_default(), fill="white")

for name, options in {"JPEG": {"quality": 90}, "PNG": {}, "GIF": {}, "BMP": {}, "TIFF": {}, "WEBP": {"lossless": True}}.items():
    memory = io.BytesIO()
    photo.save(memory, name, **options)
    memory.seek(0)
    again = Image.open(memory)
    again.load()
    assert again.size == photo.size, name
    if name in ("PNG", "BMP", "TIFF", "WEBP"):
        assert ImageChops.difference(again.convert("RGB"), photo).getbbox() is None, name

photo.save("photo.jpg")
with Image.open("photo.jpg") as opened:
    thumb = ImageOps.exif_transpose(opened)
    thumb.thumbnail((64, 64))
    assert thumb.size == (64, 48)
for changed in (
    photo.rotate(30, expand=True, resample=Image.BICUBIC),
    photo.filter(ImageFilter.GaussianBlur(3)),
    ImageOps.autocontrast(photo.convert("L")),
    photo.quantize(16),
    photo.transform((100, 100), Image.AFFINE, (1, 0.2, 0, 0.1, 1, 0)),
):
    changed.load()
pixels = np.asarray(photo)
assert pixels.shape == (480, 640, 3)
assert Image.fromarray(255 - pixels).getpixel((30, 30)) == tuple(255 - c for c in photo.getpixel((30, 30)))
print("done")
