"""One page of a filled form: what is read on it, and the picture of its fields."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from tenfold.data.decoding import decode
from tenfold.data.file_pages import FilePage
from tenfold.errors import DataError, TemplateError
from tenfold.forms.atlas import arrange
from tenfold.forms.field_reader import FieldReader, Reading
from tenfold.forms.journal import FieldRecord, PageKey, PageRecord, picture_of
from tenfold.forms.registration import Registrar
from tenfold.forms.review_folder import Rectangle
from tenfold.forms.template import Template
from tenfold.forms.template_parsing import load_template
from tenfold.forms.values import CANDIDATES
from tenfold.reading.foreground import to_grey
from tenfold.reading.reader import load_number_reader
from tenfold.text import escape

PICTURE_WIDTH_PX = 1000  # of the crops of a page, in rows


def page_key(page: FilePage) -> PageKey:
    """Return what identifies a page of a file as it is now."""
    path = Path(str(page.source))
    name = escape(str(path))  # JSON has no place for bytes that are not UTF-8
    try:
        status = path.stat()
    except OSError:
        return name, page.number, 0, 0
    return name, page.number, status.st_size, status.st_mtime_ns


@dataclass(frozen=True, eq=False)
class PageReader:
    """Reads the pages of a form."""

    template: Template
    registrar: Registrar
    fields: FieldReader


@functools.lru_cache(maxsize=1)
def page_reader(template_path: Path, model: Path) -> PageReader:
    """Return this process's reader; see `FormsReading`."""
    template = load_template(template_path)
    try:
        registrar = Registrar(template)
    except (DataError, TemplateError) as error:
        raise TemplateError(f"{template_path}: blank: {error}") from error
    numbers = load_number_reader(model)
    return PageReader(template, registrar, FieldReader(numbers, template, registrar.pages))


def read_page(template_path: Path, model: Path, page: FilePage) -> tuple[PageRecord, bytes]:
    """Return what was read on a page, and the picture of its fields: a PNG file, or nothing."""
    reader = page_reader(template_path, model)
    file, number, size, modified = key = page_key(page)
    record = PageRecord(file=file, page=number, page_count=page.count, size=size, modified=modified)
    try:
        registered = reader.registrar.register(to_grey(decode(page)))
        readings = reader.fields.read(registered)
    except DataError as error:
        problem = escape(str(error).removeprefix(f"{page}: "))
        return record.model_copy(update={"problem": problem}), b""
    places, png = _picture(reader.fields, readings)
    fields = tuple(
        FieldRecord(
            name=reading.cell.name,
            candidates=tuple(
                (c.value, c.probability, c.broken) for c in reading.candidates[:CANDIDATES]
            ),
            reason=reading.reason,
            **there,
        )
        for reading, there in zip(readings, places, strict=True)
    )
    picture = picture_of(key) if png else ""
    update = {"form_page": registered.number, "fields": fields, "picture": picture}
    return record.model_copy(update=update), png


def _picture(
    reader: FieldReader, readings: Sequence[Reading]
) -> tuple[list[dict[str, Rectangle]], bytes]:
    """Return where the crop and the digits of each field are in a picture of all, and it as PNG."""
    keys, images = [], []
    for k, reading in enumerate(readings):
        crop = None if reading.picture is None else reading.picture.grey
        for part, image in (("crop", crop), ("digits", reader.digit_images(reading))):
            if image is not None:
                keys.append((k, part))
                images.append(image)
    places: list[dict[str, Rectangle]] = [{} for _ in readings]
    if not images:
        return places, b""
    [(picture, corners)] = arrange(images, (PICTURE_WIDTH_PX, math.inf), gap_px=0)
    for (k, part), image, (left, top) in zip(keys, images, corners, strict=True):
        places[k][part] = (left, top, image.shape[1], image.shape[0])
    return places, cv2.imencode(".png", picture)[1].tobytes()
