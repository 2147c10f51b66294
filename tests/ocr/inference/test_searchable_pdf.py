"""searchable.pdf is the person's document, with invisible text where it had none."""

import io
import json
import zlib

import numpy as np
import pikepdf
import pypdfium2
import pytest
from pikepdf import Array, Dictionary, Name, OutlineItem
from PIL import Image, ImageOps

from model.inference.reading.reading import Line, Word
from model.inference.settings import InferenceSettings
from tests.ocr.inference.conftest import EXAMPLES, encoded
from tests.ocr.inference.drawing import SENTENCES, document, form, picture, text

ORIENTATION_TAG = 0x0112


class OneWord:
    """An engine that finds one word on each page: the pictures are what matters."""

    def read(self, pixels, **_):
        quad = ((10.0, 10.0), (90.0, 10.0), (90.0, 40.0), (10.0, 40.0))
        word = Word(text="found", confidence=1.0, quad=quad, start=0)
        return [Line(text="found", confidence=1.0, quad=quad, words=[word])]


@pytest.fixture
def made(read):
    """searchable.pdf of a document, and what else was said."""

    def make(content, **fields):
        result = read(content, artifacts=["searchable.pdf", "text.txt", "document.json"], **fields)
        return result.outputs.files["searchable.pdf"].read_bytes(), result

    return make


def opened(content: bytes) -> pikepdf.Pdf:
    pdf = pikepdf.open(io.BytesIO(content))
    assert pdf.check_pdf_syntax() == []
    return pdf


def shown(content: bytes, number: int = 0) -> np.ndarray:
    with pypdfium2.PdfDocument(content) as pdf:
        pdf.init_forms()
        return np.asarray(pdf[number].render(scale=150 / 72).to_pil().convert("L"), float)


def difference(content: bytes, image: Image.Image, number: int = 0) -> float:
    """Mean, of 255, between a page and the picture that it should show."""
    expected = image.convert("L")
    page = Image.fromarray(shown(content, number).astype(np.uint8)).resize(expected.size)
    return float(np.abs(np.asarray(page, float) - np.asarray(expected, float)).mean())


def texts(content: bytes) -> list[str]:
    with pypdfium2.PdfDocument(content) as pdf:
        return [page.get_textpage().get_text_range() for page in pdf]


def scan(card: Image.Image, *contents: str, **options) -> bytes:
    size = (card.width * 72 / 150, card.height * 72 / 150)
    return document(" ".join([picture(*size), *contents]), size=size, image=card, **options)


def test_the_documents_own_pages_are_kept(made):
    def furnish(pdf):
        page = pdf.pages[0].obj
        page.CropBox, page.UserUnit = [10, 10, 400, 290], 1.5
        link = Dictionary(
            Type=Name.Annot,
            Subtype=Name.Link,
            Rect=[30, 240, 200, 260],
            A=Dictionary(S=Name.URI, URI="https://example.org"),
        )
        page.Annots = Array([pdf.make_indirect(link)])
        pdf.docinfo[Name.Title] = "Minutes"
        with pdf.open_metadata() as metadata:
            metadata["dc:title"] = "Minutes"
        with pdf.open_outline() as outline:
            outline.root.append(OutlineItem("Second", 1))

    original = document(text(*SENTENCES), text("Page two of it"), change=furnish)
    content, result = made(original)
    assert result.pages()[0]["text_source"] == "layer"
    assert np.array_equal(shown(content), shown(original))
    assert [page.split() for page in texts(content)] == [page.split() for page in texts(original)]
    with opened(content) as pdf:
        page = pdf.pages[0].obj
        assert (list(page.CropBox), float(page.UserUnit)) == ([10, 10, 400, 290], 1.5)
        assert page.Annots[0].A.URI == "https://example.org"
        assert pdf.docinfo[Name.Title] == "Minutes"
        with pdf.open_metadata() as metadata:
            assert metadata["dc:title"] == "Minutes"
        with pdf.open_outline() as outline:
            assert [item.title for item in outline.root] == ["Second"]


def test_a_scan_keeps_its_picture_and_gets_its_text(made, card, card_lines):
    original = scan(card)
    content, _ = made(original)
    assert texts(content)[0].split() == " ".join(card_lines).split()
    assert np.array_equal(shown(content), shown(original))
    assert len(content) < len(original) + 4000
    with opened(content) as pdf, pikepdf.open(io.BytesIO(original)) as before:
        one, other = (each.pages[0].obj.Resources.XObject.Picture for each in (pdf, before))
        assert one.read_raw_bytes() == other.read_raw_bytes()


def test_a_page_with_its_own_text_is_left_alone_beside_a_scan(made, card, card_lines):
    size = (card.width * 72 / 150, card.height * 72 / 150)
    content, _ = made(document(text(*SENTENCES), picture(*size), size=size, image=card))
    with opened(content) as pdf:
        fonts = [set(page.obj.Resources.Font.keys()) for page in pdf.pages]
    assert fonts == [{"/F"}, {"/F", "/OutboxText"}]
    first, second = texts(content)
    assert (first.split(), second.split()) == (
        " ".join(SENTENCES).split(),
        " ".join(card_lines).split(),
    )


@pytest.mark.parametrize(
    ("shown_turned", "lies_turned"),
    [(90, 0), pytest.param(0, 180, marks=pytest.mark.slow), (270, 180)],
)
def test_a_turned_page_is_shown_upright_with_its_text_where_it_is(
    made, read, card, card_lines, shown_turned, lies_turned
):
    lying = card.rotate(shown_turned + lies_turned, expand=True)
    size = (lying.width * 72 / 150, lying.height * 72 / 150)

    def turn(pdf):
        pdf.pages[0].obj.Rotate = shown_turned
        pdf.pages[0].obj.MediaBox = [-5, 7, size[0] - 5, size[1] + 7]

    page = picture(*size, -5, 7)
    content, result = made(document(page, size=size, image=lying, change=turn))
    assert result.pages()[0]["rotation"] == lies_turned
    assert texts(content)[0].splitlines() == card_lines
    assert difference(content, card) < 6
    # Where a viewer marks the words is where they were read.
    [page], [again] = result.pages(), read(content, text="layer").pages()
    words, marked = (
        [word for line in one["lines"] for word in line["words"]] for one in (page, again)
    )
    assert [word["text"] for word in words] == [word["text"] for word in marked]
    assert again["rotation"] == 0
    for word, mark in zip(words, marked, strict=True):
        assert mark["quad"][0] == pytest.approx(word["quad"][0], abs=8)
        assert mark["quad"][2] == pytest.approx(word["quad"][2], abs=8)


def test_pages_that_were_not_asked_for_are_left_out_with_all_that_leads_to_them(made):
    def furnish(pdf):
        pdf.pages[1].obj.Secret = "of page two"
        with pdf.open_outline() as outline:
            outline.root += [OutlineItem(title, n) for n, title in enumerate(["A", "B", "C"])]
        pdf.docinfo[Name.Author] = "Ruth Adler"
        pdf.Root.PageLabels = Dictionary(Nums=[0, Dictionary(S=Name.r)])

    contents = [text(sentence) for sentence in SENTENCES]
    content, _ = made(document(*contents, change=furnish), pages="1,3")
    assert [page.split() for page in texts(content)] == [
        SENTENCES[0].split(),
        SENTENCES[2].split(),
    ]
    with opened(content) as pdf:
        with pdf.open_outline() as outline:
            assert [item.title for item in outline.root] == ["A", "C"]
        assert [page.label for page in pdf.pages] == ["i", "iii"]
        assert pdf.docinfo[Name.Author] == "Ruth Adler"
        assert not any(isinstance(item, Dictionary) and "/Secret" in item for item in pdf.objects)


def test_what_was_filled_into_a_form_stays_in_it(made):
    with opened(made(form(*SENTENCES))[0]) as pdf:
        assert pdf.Root.AcroForm.Fields[0].V == "Marigold Tate"


def test_an_encrypted_document_is_decrypted(made):
    locked = document(
        text(*SENTENCES), encryption=pikepdf.Encryption(user="open sesame", owner="owner")
    )
    with opened(made(locked, password="open sesame")[0]) as pdf:
        assert not pdf.is_encrypted


def test_an_old_reading_gives_way_to_the_new(made, card, card_lines):
    old = text("Minules of lhe spling meeling", x=20, y=300, mode=3)
    content, _ = made(scan(card, old, text("x", x=5, y=5)))
    assert "Minules" not in texts(content)[0]
    again, _ = made(content)
    assert sorted(texts(again)[0].split()) == sorted([*" ".join(card_lines).split(), "x"])
    assert len(again) < 1.02 * len(content)


def test_an_old_reading_in_a_form_gives_way_too(made, card, card_lines):
    def draw_by_form(pdf):
        page = pdf.pages[0].obj
        reading = text("Minules of lhe spling", x=20, y=300, mode=3).encode()
        form = pdf.make_stream(reading, Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 400, 400])
        form.Resources = Dictionary(Font=page.Resources.Font)
        page.Resources.XObject.Reading = form

    content, _ = made(scan(card, "/Reading Do", change=draw_by_form))
    assert texts(content)[0].split() == " ".join(card_lines).split()


def test_what_a_page_says_already_is_not_said_twice(made, card, card_lines):
    stamped = scan(card, text("Exhibit 12, page 3 of 40", x=20, y=20))
    content, _ = made(stamped)
    assert texts(content)[0].count("Exhibit") == 1
    assert all(line.split()[0] in texts(content)[0] for line in card_lines)


@pytest.mark.slow
def test_what_a_page_says_already_is_not_said_twice_where_it_was_to_be_read_all_the_same(made):
    drawn, result = made(EXAMPLES / "minutes.pdf", pages="3", text="ocr")
    assert result.pages()[0]["text_source"] == "ocr"
    assert texts(drawn)[0].count("bonfires") == 1


def test_content_that_leaves_the_pen_elsewhere_moves_no_text(made, card, card_lines):
    content, _ = made(scan(card, "0.1 0 0 0.1 500 500 cm q q q"))
    with pypdfium2.PdfDocument(content) as pdf:
        page = pdf[0].get_textpage()
        index, count = page.search("Minutes").get_next()
        assert page.count_rects(index, count) == 1
        left, bottom, right, top = page.get_rect(0)
    assert 0 < left < right < 384
    assert 0 < bottom < top < 355


def test_pages_that_share_their_resources_each_have_theirs(made, card):
    def inherit(pdf):
        for page in pdf.pages:
            pdf.Root.Pages.Resources = page.obj.Resources
            del page.obj.Resources

    size = (card.width * 72 / 150, card.height * 72 / 150)
    original = document(picture(*size), text("Own text"), size=size, image=card, change=inherit)
    content, _ = made(original)
    assert np.array_equal(shown(content), shown(original))
    assert texts(content)[1].strip() == "Own text"


def test_a_document_that_cannot_be_added_to_becomes_pictures_and_says_so(made):
    """Viewers do without what is no number."""

    def damage(pdf):
        pdf.pages[1].obj.UserUnit = pikepdf.String("large")

    content, result = made(document(text(*SENTENCES), text("Page two"), change=damage))
    assert "pictures of the pages" in result.outputs.result["warnings"][-1]
    assert [page.split() for page in texts(content)] == [
        " ".join(SENTENCES).split(),
        ["Page", "two"],
    ]
    with opened(content) as pdf:
        assert pdf.pages[0].obj.Resources.XObject.Picture.Filter == "/DCTDecode"


@pytest.mark.slow
def test_a_document_that_takes_too_much_to_be_added_to_becomes_pictures(inference, reader, card):
    """A form that is nowhere drawn is a few kilobytes, and 800 million bytes once unpacked."""

    def add_bomb(pdf):
        packed = zlib.compressobj(9)
        parts = [packed.compress(bytes(1 << 20)) for _ in range(800)]
        bomb = pikepdf.Stream(pdf, b"".join([*parts, packed.flush()]))
        bomb.Type, bomb.Subtype, bomb.BBox = Name.XObject, Name.Form, Array([0, 0, 9, 9])
        bomb.Filter = Name.FlateDecode
        pdf.pages[0].obj.Resources.XObject.Bomb = pdf.make_indirect(bomb)

    settings = InferenceSettings(max_decoding_bytes=600 << 20)
    result = reader(type(inference)(OneWord(), settings))(
        scan(card, change=add_bomb), artifacts=["searchable.pdf"]
    )
    assert "pictures of the pages" in result.outputs.result["warnings"][-1]
    assert texts(result.outputs.files["searchable.pdf"].read_bytes()) == ["found"]


PICTURES = {
    "JPEG": (lambda card: card, "JPEG", {"quality": 80}, "/DCTDecode"),
    "grey JPEG": (lambda card: card.convert("L"), "JPEG", {"quality": 80}, "/DCTDecode"),
    "CMYK JPEG": (lambda card: card.convert("CMYK"), "JPEG", {"quality": 90}, "/DCTDecode"),
    "PNG": (lambda card: card, "PNG", {}, "/FlateDecode"),
    "palette": (lambda card: card.quantize(16), "PNG", {}, "/FlateDecode"),
    "16 bits": (
        lambda card: Image.fromarray(np.asarray(card.convert("L")).astype(np.uint16) * 257),
        "PNG",
        {},
        "/FlateDecode",
    ),
    "1 bit": (lambda card: card.convert("1", dither=0), "PNG", {}, "/CCITTFaxDecode"),
    "fax": (
        lambda card: card.convert("1", dither=0),
        "TIFF",
        {"compression": "group4"},
        "/CCITTFaxDecode",
    ),
    "TIFF": (lambda card: card, "TIFF", {"compression": "tiff_lzw"}, "/FlateDecode"),
    "floating-point TIFF": (lambda card: card.convert("F"), "TIFF", {}, "/FlateDecode"),
    "lossy WebP": (lambda card: card, "WEBP", {"quality": 90}, "/DCTDecode"),
    "lossless WebP": (lambda card: card, "WEBP", {"lossless": True}, "/FlateDecode"),
}


@pytest.fixture
def made_without_ocr(inference, reader):
    read = reader(type(inference)(OneWord(), InferenceSettings()))

    def make(content, **fields):
        result = read(content, artifacts=["searchable.pdf", "document.json"], **fields)
        return result.outputs.files["searchable.pdf"].read_bytes()

    return make


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_a_page_in_its_own_encoding(made_without_ocr, card, name):
    convert, kind, options, encoding = PICTURES[name]
    original = encoded(convert(card), kind, **options)
    content = made_without_ocr(original)
    assert texts(content) == ["found"]
    with opened(content) as pdf:
        embedded = pdf.pages[0].obj.Resources.XObject.Picture
        assert embedded.Filter == encoding
        if kind == "JPEG":
            assert embedded.read_raw_bytes() == original
    assert difference(content, card) < 6


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_photo_is_upright_as_its_camera_says(made_without_ocr, card, orientation):
    marked = card.copy()
    marked.paste("black", (0, 0, 300, 100))
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    photo = encoded(marked, "JPEG", quality=90, exif=exif)
    with Image.open(io.BytesIO(photo)) as stored:
        upright = ImageOps.exif_transpose(stored)
    content = made_without_ocr(photo)
    assert difference(content, upright) < 6
    with opened(content) as pdf:
        assert pdf.pages[0].obj.Resources.XObject.Picture.read_raw_bytes() == photo


def test_what_is_transparent_is_on_white(made_without_ocr, card):
    clear = Image.new("RGBA", card.size, (0, 0, 0, 0))
    clear.putalpha(ImageOps.invert(card.convert("L")))
    assert difference(made_without_ocr(encoded(clear, "PNG")), card) < 6


@pytest.mark.slow
def test_each_frame_is_a_page_also_where_they_do_not_fit_into_memory(made_without_ocr, card):
    noise = np.random.default_rng(1).integers(0, 255, (2500, 2500, 3), np.uint8)
    frames = [Image.fromarray(np.roll(noise, shift, axis=0)) for shift in range(4)]
    frames[2] = card.copy()
    document = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    content = made_without_ocr(document, pages="1-4")
    assert texts(content) == ["found"] * 4
    assert difference(content, card, 2) < 6
    with opened(content) as pdf:
        sizes = [int(page.obj.Resources.XObject.Picture.Width) for page in pdf.pages]
    assert sizes == [2500, 2500, 800, 2500]


def test_a_colour_profile_goes_with_the_picture(made_without_ocr, card):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with opened(made_without_ocr(encoded(card, "PNG", icc_profile=profile))) as pdf:
        space = pdf.pages[0].obj.Resources.XObject.Picture.ColorSpace
        assert space[1].read_bytes() == profile


def test_nothing_is_left_beside_it(made):
    _, result = made(document(text(*SENTENCES)))
    directory = result.outputs.files["searchable.pdf"].parent
    assert {path.name for path in directory.iterdir()} == set(result.outputs.files)
    json.dumps(result.outputs.result)
