"""The page: sections of text, tables and figures, put into one HTML file by a template."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources

import jinja2
from markupsafe import Markup

MINUS = "−"
JOIN = "\u00a0"  # units do not break over lines


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Parameters
    ----------
    text : str
        Plain text.
    kind : str
        ``text``, ``equation``, ``absent`` or ``warning``.
    """

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Figure:
    """A drawing with what it shows in words.

    Parameters
    ----------
    svg : markupsafe.Markup
        Inline SVG.
    alt : str
        What a reader who cannot see it must know.
    caption : str
        Line below it.
    """

    svg: Markup
    alt: str
    caption: str


@dataclass(frozen=True)
class Figures:
    """Figures side by side where the screen is wide enough.

    Parameters
    ----------
    figures : sequence of Figure
        In reading order.
    kind : str
        Selects the block in the template.
    """

    figures: Sequence[Figure]
    kind: str = "figures"


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    caption : str
        What it shows, with units where they are common to all columns.
    columns : sequence of str
        Headers.
    rows : sequence of sequence of str
        Cells, already formatted.
    marked : frozenset of int
        Rows that deserve attention; they are marked by a bar and bold type, not by colour alone.
    kind : str
        Selects the block in the template.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: frozenset[int] = frozenset()
    kind: str = "table"


@dataclass(frozen=True)
class Fold:
    """Blocks that can be folded away.

    Parameters
    ----------
    title : str
        Always visible.
    blocks : sequence
        Content.
    is_open : bool
        Whether it starts unfolded.
    kind : str
        Selects the block in the template.
    """

    title: str
    blocks: Sequence["Block"]
    is_open: bool = True
    kind: str = "fold"


Block = Text | Figures | Table | Fold


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Parameters
    ----------
    key : str
        Anchor.
    title : str
        Heading.
    blocks : sequence of Block
        Content.
    """

    key: str
    title: str
    blocks: Sequence[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Heading:
    """What stands above the sections.

    Parameters
    ----------
    title : str
        Title of the page.
    passed : bool
        Whether every gate passes.
    verdict : str
        One line.
    reasons : sequence of str
        Why not, and what to do.
    facts : sequence of (str, str)
        Term and description.
    """

    title: str
    passed: bool
    verdict: str
    reasons: Sequence[str]
    facts: Sequence[tuple[str, str]]


def absent(what: str, why: str) -> Text:
    """Say that something is not in the result.

    Parameters
    ----------
    what : str
        What a reader expects here.
    why : str
        Why it is not here and how to get it.

    Returns
    -------
    Text
        A block that is visibly a gap.
    """
    return Text(f"Absent: {what}. {why}", "absent")


def number(value: object, digits: int = 3) -> str:
    """Format a number to significant digits, without trailing noise.

    Parameters
    ----------
    value : object
        A number; NaN and None give a dash.
    digits : int, optional
        Significant digits.

    Returns
    -------
    str
        Text with a true minus sign.
    """
    if value is None:
        return "–"
    x = float(value)  # type: ignore[arg-type]
    if x != x:
        return "–"
    if x in (float("inf"), float("-inf")):
        return "∞" if x > 0 else f"{MINUS}∞"
    if x == 0:
        return "0"
    large = abs(x) >= 10**digits
    text = f"{x:.0f}" if large and abs(x) < 1e6 else f"{x:#.{digits}g}".rstrip(".")
    if "e" in text:
        mantissa, power = text.split("e")
        text = f"{mantissa.rstrip('.')}×10{superscript(str(int(power)))}"
    return text.replace("-", MINUS)


def exact(value: float) -> str:
    """Format a number that was chosen, such as a bound: all of its digits and no more.

    Parameters
    ----------
    value : float
        A number.

    Returns
    -------
    str
        Text with a true minus sign.
    """
    if not abs(value) < float("inf") or value == 0:
        return number(value)
    text = f"{value:.6g}"
    if "e" in text:
        mantissa, power = text.split("e")
        text = f"{mantissa}×10{superscript(str(int(power)))}"
    return text.replace("-", MINUS)


def superscript(text: str) -> str:
    """Write digits and sign as superscripts.

    Parameters
    ----------
    text : str
        Such as ``"-2"``.

    Returns
    -------
    str
        Such as ``"⁻²"``.
    """
    return text.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def unit_text(unit: str) -> str:
    """Write a unit for reading: ``gC m-2 d-1`` becomes ``gC m⁻² d⁻¹``.

    Parameters
    ----------
    unit : str
        Unit in the notation of the vocabulary.

    Returns
    -------
    str
        Text with non-breaking spaces; empty for dimensionless.
    """
    names = {"1": "", "degC": "°C", "percent": "%", "umol": "µmol"}
    words = []
    for word in unit.split():
        base = word.rstrip("-0123456789")
        words.append(names[word] if word in names else names.get(base, base) + superscript(word[len(base) :]))
    return JOIN.join(w for w in words if w)


def render(heading: Heading, sections: Sequence[Section]) -> str:
    """Fill the template.

    Parameters
    ----------
    heading : Heading
        Top of the page.
    sections : sequence of Section
        In reading order.

    Returns
    -------
    str
        A complete HTML document that needs nothing from outside.
    """
    source = resources.files("lsm_bayes.report").joinpath("template.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(source).render(heading=heading, sections=sections)
