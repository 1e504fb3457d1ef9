"""Scores the completeness of an extracted text from 0 to 1, and names its shortcoming.

A brief with a headline and some 40 words passes. Pages fail if they show that text is
missing (a paywall, a cut-off end, a stated word count) or that they are no article (an
error, a consent form, a script).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.classifier.extraction.error_titles import is_error_title
from services.classifier.text.words import count_words

THRESHOLD = 0.5  # an item with a lower score is rejected as incomplete
BRIEF_WORDS = 40  # minimum for a brief with a headline
UNTITLED_WORDS = 80  # minimum without a headline
WALLED_WORDS = 220  # a longer text is an article, even if the page offers subscriptions
TEASER_WORDS = 150  # a longer text may end in an ellipsis
ERROR_WORDS = 120
CONSENT_WORDS = 400
WORDS_TO_A_PHRASE = 120  # at most, per phrase such as "we and our partners" in a form
LIST_SHARE = 0.6  # of a text in teasers: a section front, or an error page with links
TAKEN_SHARE = 0.6  # of the words in the article's container; less is doubtful
MAX_GARBLED = 0.2  # marks of a wrong decoding per word
DOUBTFUL_GARBLED = 0.02
STATED_SHARE = 0.5  # of the word count stated by the page

_GARBLED = re.compile("\ufffd|[ÃÂÐÑ][\x80-\xbf]|â€|ï»¿|锟斤拷")
_ERROR_TITLE = re.compile(
    r"^\W*(?:error\s*)?(?:400|401|403|404|410|429|451|500|502|503|504)\b(?!\s*(?:\w+\s+){3})|^\W*(?:(?:oops|"
    r"sorry|uh[- ]oh)\W+.{0,40})?(?:the )?"
    r"(?:page|article|story|content|url|file|site)(?: you (?:requested|are looking for|"
    r"were looking for))? (?:is |was |could |can)?(?:not? ?be |not )?"
    r"(?:not found|found|(?:un|not )available|missing|does(?:n['’]t| not) exist|no longer (?:exists|"
    r"available))\b|^\W*(?:not found|access denied|forbidden|"
    r"bad gateway|service unavailable|internal server error|gateway time-?out|just a moment|attention required|"
    r"are you (?:a )?(?:human|robot)|robot check|security check|pardon our interruption|verify you are human|"
    r"request blocked|"
    r"(?:site|website) (?:is )?(?:under )?(?:maintenance|temporarily unavailable)|account suspended|"
    r"access to this page has been denied|checking your browser|please (?:verify|enable) (?:you|cookies|javascript)|"
    r"(?:something went wrong|session expired|server error|under construction|coming soon|too many requests|"
    r"unsupported browser|javascript is (?:disabled|required)|service temporarily unavailable)(?=\W*$| [|–—-] )|"
    r"domain (?:is )?for sale)\b|"
    r"^\W*(?:(?:sorry|oops)\W+)?we (?:can['’]?t|cannot|could ?n['’]?t) find (?:that|the|this|your) "
    r"(?:page|article|story)|"
    r"(?:seite|artikel) (?:wurde )?nicht gefunden|página no encontrada|page (?:non trouvée|introuvable)|"
    r"pagina non trovata|página não encontrada|"
    r"страница не найдена|页面(?:不存在|未找到|找不到|已删除)|找不到(?:该|此|您)?.{0,8}(?:页面|网页|文章)|"
    r"(?:您|你)访问的(?:页面|内容|文章)|"
    r"(?:文章|内容|网页)(?:已被?删除|不存在|已下线)|访问(?:被拒绝|受限|过于频繁)|安全验证|人机验证|滑动验证",
    re.I,
)
# Buttons and sentences of a consent form. A story on consent may quote the buttons, but
# does not write "we".
_BUTTON = re.compile(
    r"accept (?:all|and continue|cookies)|reject all|manage (?:settings|preferences|options|cookies)|"
    r"cookie (?:settings|preferences|policy)|alle akzeptieren|alle ablehnen|zustimmen und weiter|tout accepter|"
    r"accepter et fermer|aceptar (?:todo|todas)|agree and close|accetta tutt|rifiuta tutt|"
    r"(?:alles|alle cookies) (?:accepteren|weigeren)|godta alle|godkänn alla|akceptuję|rechazar tod|aceitar tod|"
    r"接受(?:所有|全部)|同意并继续|拒绝(?:所有|全部)|隐私(?:设置|偏好)|"
    r"管理(?:偏好|选项)|cookie\s?(?:设置|政策)",
    re.I,
)
_SENTENCE = re.compile(
    r"\bwe (?:value|care about|respect) your privacy|before you continue|\bour (?:\d+ )?partners (?:store|process|use)|"
    r"\bwe,? and our (?:\d+ )?(?:\w+ )?partners|store and(?:/or)? access information|\bwe use cookies|"
    r"noi e (?:i nostri )?(?:\d+ )?(?:terze parti|partner)\b|informazioni su un dispositivo|"
    r"wij en onze (?:\d+ )?partners|(?:wir|nous|nosotros|nós) (?:und unsere|et nos|y nuestros|e os nossos) "
    r"(?:\d+ )?(?:partner|partenaires|socios|parceiros)|vi (?:og våre|och våra) (?:\d+ )?(?:partnere?|samarbeids)|"
    r"my i nasi (?:\d+ )?(?:zaufani )?partnerzy|"
    r"(?:informationen auf (?:einem|ihrem) gerät|informations sur un (?:appareil|terminal)|información en un "
    r"dispositivo|informatie op (?:een|je|uw) apparaat)|"
    r"this (?:web)?site uses cookies|"
    r"wir (?:verwenden|nutzen|benötigen) (?:cookies|ihre zustimmung)|nous utilisons des cookies|utilizamos cookies|"
    r"(?:我们|本网站|本站)(?:会)?使用\s?cookies?|(?:我们)(?:重视|尊重)(?:您|你)的隐私",
    re.I,
)
_WALL = re.compile(
    r"(?:subscribe|register|sign up|sign in|log ?in|create (?:a|an) (?:free )?account)(?: now| today|"
    r" for free)? (?:to|and) (?:continue|keep|read|unlock|access|view|get "
    r"(?:unlimited|full))|(?:article|story|content|text) is (?:only |exclusively )?(?:for|"
    r"available (?:only )?(?:to|for)|reserved for) (?:our )?(?:\w+ )?(?:subscribers|members)|"
    r"(?:subscriber|member|premium)s?[- ]only|for (?:subscribers|members) only|already a (?:subscriber|member)|"
    r"continue reading (?:with|for|this)|"
    r"to (?:continue|keep) reading|to read the (?:full|rest|whole)|unlock (?:this|the|full|unlimited)|"
    r"you(?:['’]ve| have) (?:reached|read|used) (?:your|all|the|\d)"
    r".{0,30}(?:free|limit|articles)|remaining free articles|start your (?:free )?(?:trial|subscription)|"
    r"exclusive to subscribers|"
    r"weiterlesen mit|jetzt (?:abonnieren|weiterlesen)|nur für abonnenten|artikel ist (?:nur )?für abonnenten|"
    r"diesen artikel weiterlesen|"
    r"réservé aux abonnés|il vous reste .{0,20}à lire|exclusivo para suscriptores|contenido exclusivo|"
    r"riservato agli abbonati|"
    r"(?:登录|登陆|注册|订阅|付费|购买|开通会员)(?:后|即可|以)(?:可)?(?:继续)?(?:阅读|查看|浏览)|(?:会员|付费|订阅者?|VIP)(?:专享|专属|内容|文章|可见)|"
    r"(?:剩余|还剩|余下|此处省略)\s?\d+\s?[%％]|成为会员|阅读全文请|下载.{0,12}(?:APP|客户端).{0,6}(?:阅读|查看)",
    re.I,
)
_CUT = re.compile(
    r"(?:\.{3}|…|\[…\]|\[\.\.\.\])\s*(?:\(?(?:read|see|continue|view|show|load) (?:more|reading|full|"
    r"the).{0,40}|weiterlesen|mehr|阅读全文|查看全文|展开全文|更多|全文)?\W{0,40}$|"
    r"(?:read (?:more|the full (?:story|article))|continue reading|weiterlesen|lire la suite|"
    r"leer más|阅读全文|查看全文|"
    r"展开全文|点击阅读|阅读原文)\W{0,40}$",
    re.I,
)
_NO_SCRIPT = re.compile(
    r"(?:enable|turn on|activate|requires?|need|without) java ?script|java ?script (?:is )?(?:disabled|required|"
    r"must|not enabled|to run)|"
    r"javascript (?:aktivieren|deaktiviert)|activer javascript|启用\s?java ?script|浏览器.{0,12}java ?script",
    re.I,
)


@dataclass(frozen=True, kw_only=True)
class PageSignals:
    """The evidence on a page and its text."""

    title: str
    text: str
    description: str = ""
    visible: str = ""  # all visible text with walls and banners, on one line
    no_script: str = ""  # text for readers without scripts
    script_chars: int = 0
    stated_words: int | None = None  # JSON-LD wordCount
    free: bool | None = None  # JSON-LD isAccessibleForFree
    teaser_share: float = 0.0  # of the text, under headings that link to other pages
    container_words: int = 0  # visible in the article's own container; 0: unknown
    on_several_pages: bool = False


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """`score` is 0..1, and 1 for a complete text.

    `shortcoming` is None for a text that passes, else `thin`, `teaser`, `paywall`,
    `consent_wall`, `script_only`, `garbled`, `section_page` or `error_page`.
    """

    score: float
    shortcoming: str | None


def judge(page: PageSignals) -> Completeness:
    """Return the completeness of a page, with the first shortcoming that applies."""
    words = count_words(page.text)
    needed = BRIEF_WORDS if count_words(page.title) >= 2 else UNTITLED_WORDS
    length = min(1.0, words / needed)
    for name, applies, factor in (
        ("error_page", _is_error(page, words), 0.0),
        ("section_page", page.teaser_share >= LIST_SHARE, 0.2),
        ("garbled", _garbled_share(page.text, words) > MAX_GARBLED, 0.2),
        ("consent_wall", _is_consent(page, words), 0.1),
        ("script_only", _is_script(page, words), 0.2),
        ("paywall", _is_walled(page, words), 0.4),
        ("teaser", _is_teaser(page, words), 0.4),
    ):
        if applies:
            return Completeness(score=round(factor * length, 3), shortcoming=name)
    if words < needed:
        return Completeness(score=round(min(0.49, 0.5 * length), 3), shortcoming="thin")
    return Completeness(score=_doubt(page, words), shortcoming=None)


def _doubt(page: PageSignals, words: int) -> float:
    """Return the score of a text that passes: 1.0, less for each doubtful sign."""
    score = 1.0
    if page.stated_words and words < 0.8 * page.stated_words:
        score -= 0.2
    if page.free is False:
        score -= 0.1
    if _CUT.search(page.text[-80:]):
        score -= 0.1
    if page.on_several_pages:
        score -= 0.3
    if len(page.text.split()) < TAKEN_SHARE * page.container_words:
        score -= 0.2
    if _garbled_share(page.text, words) > DOUBTFUL_GARBLED:
        score -= 0.2
    return max(round(score, 3), THRESHOLD)


def _garbled_share(text: str, words: int) -> float:
    """Return marks of a wrong decoding per word: U+FFFD, UTF-8 read as Latin-1."""
    return len(_GARBLED.findall(text)) / max(words, 1)


def _is_error(page: PageSignals, words: int) -> bool:
    if is_error_title(page.title):
        return True
    if words >= ERROR_WORDS and page.teaser_share < LIST_SHARE:
        return False
    opening = page.text.split("\n", 1)[0] if page.text else page.visible[:200]
    return bool(
        _ERROR_TITLE.search(page.title)
        or (words < BRIEF_WORDS and _ERROR_TITLE.search(opening))
    )


def _is_consent(page: PageSignals, words: int) -> bool:
    """Return True if the text, or a page with almost no text, is a consent form."""
    if words >= CONSENT_WORDS:
        return False
    text = page.text if words >= BRIEF_WORDS else f"{page.text}\n{page.visible}"
    sentences = _SENTENCE.findall(text)
    if not sentences:
        return False
    buttons = _BUTTON.findall(f"{page.text}\n{page.visible}")
    phrases = {phrase.lower() for phrase in (*sentences, *buttons)}
    if len(phrases) < 2:
        return False
    return len(sentences) * WORDS_TO_A_PHRASE >= words


def _is_script(page: PageSignals, words: int) -> bool:
    if words >= BRIEF_WORDS:
        return False
    shown = f"{page.no_script}\n{page.text}\n{page.visible[:2000]}"
    if _NO_SCRIPT.search(shown):
        return True
    return page.script_chars > 500 and count_words(page.visible) < BRIEF_WORDS


def _is_walled(page: PageSignals, words: int) -> bool:
    stated = page.stated_words or 0
    if stated and words >= 0.9 * stated:
        return False
    if page.free is False and words < STATED_SHARE * stated:
        return True
    if words >= WALLED_WORDS:
        return False
    if page.free is False and not _ends_whole(page.text):
        return True
    if page.free is False or words < BRIEF_WORDS or _CUT.search(page.text[-80:]):
        return bool(_WALL.search(page.visible) or _WALL.search(page.text))
    return _ends_in_wall(page)


def _ends_in_wall(page: PageSignals) -> bool:
    """Return True if the phrases of a paywall directly follow the text."""
    if _WALL.search(page.text[-300:]):
        return True
    end = page.visible.rfind(page.text[-60:].split("\n")[-1].strip())
    return end >= 0 and bool(_WALL.search(page.visible[end : end + 400]))


def _is_teaser(page: PageSignals, words: int) -> bool:
    if words < min(STATED_SHARE * (page.stated_words or 0), 2 * WALLED_WORDS):
        return True
    if words < TEASER_WORDS and _CUT.search(page.text[-80:]):
        return True
    text = "".join(page.text.split())
    summary = "".join(page.description.split())
    if not summary or not 0 < words < BRIEF_WORDS:
        return False
    return text in summary or summary in text


def _ends_whole(text: str) -> bool:
    return text.rstrip().endswith(
        (".", "!", "?", "。", "！", "？", "”", '"', "»", ")", "）")
    )
