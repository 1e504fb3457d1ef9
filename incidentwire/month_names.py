"""Month and weekday names of the languages of the feeds and pages that are read.

Slavic, Greek and Finnish entries list the case that dates use (genitive, partitive),
Arabic ones the names of Egypt, Algeria and Morocco. Source: the Unicode CLDR; reading it
through Babel would take 0.3 s at each start. Names are compared without accents and by
prefix, so abbreviations need no entry.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

MIN_PREFIX = 3  # letters; shorter ones name several months, whole names do not

MONTHS: Mapping[str, str] = {
    "ar": "يناير/جانفي فبراير/فيفري مارس أبريل/أفريل مايو/ماي يونيو/جوان "
    "يوليو/يوليوز/جويلية أغسطس/غشت/أوت سبتمبر/شتنبر أكتوبر نوفمبر/نونبر ديسمبر/دجنبر",
    "bg": "януари февруари март април май юни юли август септември октомври ноември "
    "декември",
    "ca": "gener febrer març abril maig juny juliol agost setembre octubre novembre "
    "desembre",
    "cs": "ledna února března dubna května června července srpna září října "
    "listopadu prosince",
    "da": "januar februar marts april maj juni juli august september oktober november "
    "december",
    "de": "januar/jänner februar märz/mrz april mai juni juli august september oktober "
    "november dezember",
    "el": "ιανουαρίου φεβρουαρίου μαρτίου απριλίου μαΐου ιουνίου ιουλίου αυγούστου "
    "σεπτεμβρίου οκτωβρίου νοεμβρίου δεκεμβρίου",
    "en": "january february march april may june july august september/sept october "
    "november december",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre/setiembre "
    "octubre noviembre diciembre",
    "fi": "tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta "
    "heinäkuuta elokuuta syyskuuta lokakuuta marraskuuta joulukuuta",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre "
    "novembre décembre",
    "hi": "जनवरी फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर/सितम्बर अक्टूबर/अक्तूबर "
    "नवंबर/नवम्बर दिसंबर/दिसम्बर",
    "hr": "siječnja/siječanj veljače/veljača ožujka/ožujak travnja/travanj "
    "svibnja/svibanj lipnja/lipanj srpnja/srpanj kolovoza rujna/rujan listopada "
    "studenoga/studeni prosinca/prosinac",
    "hu": "január február március április május június július augusztus szeptember "
    "október november december",
    "id": "januari februari maret april mei juni juli agustus september oktober "
    "november desember",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre "
    "novembre dicembre",
    "nl": "januari februari maart/mrt april mei juni juli augustus september oktober "
    "november december",
    "no": "januar februar mars april mai juni juli august september oktober november "
    "desember",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września "
    "października listopada grudnia",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro "
    "novembro dezembro",
    "ro": "ianuarie februarie martie aprilie mai iunie iulie august septembrie "
    "octombrie noiembrie decembrie",
    "ru": "января февраля марта апреля мая/май июня июля августа сентября октября "
    "ноября декабря",
    "sk": "januára februára marca apríla mája júna júla augusta septembra októbra "
    "novembra decembra",
    "sl": "januarja februarja marca aprila maja junija julija avgusta septembra oktobra "
    "novembra decembra",
    "sv": "januari februari mars april maj juni juli augusti september oktober "
    "november december",
    "tr": "ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık",
    "uk": "січня лютого березня квітня травня червня липня серпня вересня жовтня "
    "листопада грудня",
}
WEEKDAYS: Mapping[str, str] = {
    "da": "mandag tirsdag onsdag torsdag fredag lørdag søndag",
    "de": "montag dienstag mittwoch donnerstag freitag samstag/sonnabend sonntag",
    "en": "monday tuesday wednesday thursday friday saturday sunday",
    "es": "lunes martes miércoles jueves viernes sábado domingo",
    "fi": "maanantaina tiistaina keskiviikkona torstaina perjantaina lauantaina "
    "sunnuntaina",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "it": "lunedì martedì mercoledì giovedì venerdì sabato domenica",
    "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
    "pl": "poniedziałek wtorek środa czwartek piątek sobota niedziela",
    "pt": "segunda terça quarta quinta sexta sábado domingo",
    "sv": "måndag tisdag onsdag torsdag fredag lördag söndag",
}
ALIASES: Mapping[str, str] = {"nb": "no", "nn": "no", "ms": "id"}


def month_of(word: str, language: str = "", weekday: str = "") -> int | None:
    """Return the month (1-12) that a word names, None if it names none or several.

    The languages of the weekday word before it are believed first, then `language` and
    English together, then all languages: "Mar" after the Finnish "Ke" is November.
    """
    readings = _MONTHS.get(_plain(word), {})
    named_by_weekday = _WEEKDAYS.get(_plain(weekday), frozenset())
    known = {ALIASES.get(language, language), "en"} if language else {"en"}
    for languages in (named_by_weekday, known, frozenset(readings)):
        found = {month for code, month in readings.items() if code in languages}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _plain(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _month_prefixes() -> dict[str, dict[str, int]]:
    """Return prefix -> language -> month; a prefix of two months of a language is out."""
    table: dict[str, dict[str, int]] = {}
    for code, names in MONTHS.items():
        for month, forms in enumerate(names.split(), start=1):
            for form in map(_plain, forms.split("/")):
                for length in range(min(MIN_PREFIX, len(form)), len(form) + 1):
                    readings = table.setdefault(form[:length], {})
                    same = readings.get(code, month) == month
                    readings[code] = month if same else 0
    return {
        prefix: {code: month for code, month in readings.items() if month}
        for prefix, readings in table.items()
    }


def _weekday_prefixes() -> dict[str, frozenset[str]]:
    """Return prefix (2 letters and more) -> the languages with such a weekday."""
    table: dict[str, set[str]] = {}
    for code, names in WEEKDAYS.items():
        for form in _plain(names).replace("/", " ").split():
            for length in range(2, len(form) + 1):
                table.setdefault(form[:length], set()).add(code)
    return {prefix: frozenset(codes) for prefix, codes in table.items()}


_MONTHS = _month_prefixes()
_WEEKDAYS = _weekday_prefixes()
