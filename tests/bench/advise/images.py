"""Makes a picture of 128 x 128 out of a larger one, with Pillow."""

import io

from PIL import Image


def resize(data):
    image = Image.open(io.BytesIO(data)).convert("RGB").resize((128, 128), Image.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()
