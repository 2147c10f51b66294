"""Draws the pages beside it: `python -m tests.ocr.inference.unread.draw`.

What it draws is committed. Needs the fonts of the Debian packages fonts-dejavu-core,
fonts-noto-core and fonts-noto-cjk.
"""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_HERE = Path(__file__).parent
_FONTS = Path("/usr/share/fonts")
_DEJAVU = "truetype/dejavu/DejaVuSans.ttf"
_SIDE = 736  # the page that is read fastest
_SIZE = 26

TEXTS = {
    "arabic": (
        "truetype/noto/NotoNaskhArabic-Regular.ttf",
        "يولد جميع الناس أحرارا متساوين في الكرامة\nوالحقوق. وقد وهبوا عقلا وضميرا",
    ),
    "devanagari": (
        "truetype/noto/NotoSansDevanagari-Regular.ttf",
        "सभी मनुष्यों को गौरव और अधिकारों के\nमामले में जन्मजात स्वतन्त्रता प्राप्त है",
    ),
    "georgian": (
        "truetype/noto/NotoSerifGeorgian-Regular.ttf",
        "ყველა ადამიანი იბადება თავისუფალი\nდა თანასწორი თავისი ღირსებითა",
    ),
    "greek": (
        _DEJAVU,
        "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι\nκαι ίσοι στην αξιοπρέπεια. Αθήνα 2024",
    ),
    "hebrew": (
        "truetype/noto/NotoSerifHebrew-Regular.ttf",
        "כל בני האדם נולדו בני חורין ושווים\nבערכם ובזכויותיהם. תל אביב 2024",
    ),
    "korean": (
        "opentype/noto/NotoSansCJK-Regular.ttc",
        "모든 인간은 태어날 때부터 자유로우며\n그 존엄과 권리에 있어 동등하다",
    ),
    "russian": (
        _DEJAVU,
        "Счёт оплачен 12 марта. Москва, улица\nЛенина, дом 5. Все люди рождаются",
    ),
    "thai": (
        "truetype/noto/NotoSansThai-Regular.ttf",
        "มนุษย์ทั้งปวงเกิดมามีอิสระ\nและเสมอภาคกันในศักดิ์ศรี",
    ),
    "vietnamese": (
        _DEJAVU,
        "Hà Nội là thủ đô của Việt Nam. Người\ndân nơi đây rất thân thiện. Đường phố",
    ),
}


def _draw(font: str, text: str) -> Image.Image:
    page = Image.new("L", (_SIDE, _SIDE), 255)
    face = ImageFont.truetype(_FONTS / font, _SIZE)
    ImageDraw.Draw(page).multiline_text((60, 80), text, fill=0, font=face, spacing=20)
    return page.quantize(4)


if __name__ == "__main__":
    for name, (font, text) in TEXTS.items():
        _draw(font, text).save(_HERE / f"{name}.png", optimize=True)
