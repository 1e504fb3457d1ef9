"""Titles that are wholly an error: "404 Not Found", "Sidan kunde inte hittas".

A page with such a title is an error page, however long its teasers are. One row per
language; the rows are matched against the words of the title, joined by blanks.
"""

from __future__ import annotations

import re

_WORDS = re.compile(r"[\w'’]+")
_SEPARATOR = re.compile(r" [|–—-] ")
PHRASE_WORDS = 3  # beside a site's name; "Not found" may be an article's headline
SITE_WORDS = 3  # of the name of a site beside such a title
MAX_CHARS = 200
_CODE = (
    r"(?:(?:error|http|status|fel|feil|fejl|fehler|erreur|errore|erro|fout|błąd|chyba"
    r"|hata|ошибка|помилка|エラー|错误|錯誤) )*(?:404|410|403|500|503)"
)
_ENGLISH = (
    r"(?:(?:sorry|oops|whoops|uh oh) )?(?:the |this |that )?"
    r"(?:page|article|story|content|file|link)"
    r"(?: you(?:['’]re| are| were)? (?:requested|looking for))?"
    r" (?:(?:was |is |could |can)?(?:not be |not |['’]t be )found|(?:is )?no longer available"
    r"|(?:is |isn['’]t )?(?:not |un)?available|does ?n(?:['’]t|ot) exist|(?:is |has )gone(?: missing)?"
    r"|gone missing|(?:has )?(?:moved|been (?:removed|deleted)|expired)|removed|deleted)"
    r"|(?:sorry |oops )?(?:we )?(?:can['’]t|cannot|could ?n(?:['’]t|ot)) find"
    r" (?:that|this|the|your) (?:page|article|story)"
    r"|(?:page )?not found|nothing found"
)
# An article may be named "Gone": these need the number of the error.
_AFTER_CODE = (
    r"access denied|forbidden|gone|unauthorized|internal server error"
    r"|service (?:temporarily )?unavailable"
)
_OTHERS = (
    r"(?:die |diese )?(?:angeforderte )?(?:seite|artikel) (?:(?:wurde |konnte )?nicht gefunden(?: werden)?"
    r"|(?:ist )?nicht (?:mehr )?verfügbar|existiert nicht(?: mehr)?)",
    r"(?:(?:la|esta|a) )?página (?:no (?:encontrada|existe|disponible)|não (?:encontrada|existe))",
    r"(?:la |cette )?page (?:demandée )?(?:est )?(?:non trouvée|introuvable|n['’]existe p(?:as|lus))",
    r"(?:la )?pagina (?:non (?:è stata )?trovata|non esiste|niet gevonden|nu a fost găsită)",
    r"sidan (?:kunde inte hittas|hittades inte|finns inte)",
    r"siden (?:ble ikke funnet|blev ikke fundet|finnes ikke|findes ikke)",
    r"nie znaleziono strony|(?:strona )?nie (?:została znaleziona|istnieje)",
    r"stránka (?:nenalezena|nebyla nalezena|neexistuje)",
    r"sivua ei (?:löydy|löytynyt)|(?:az|a keresett) oldal nem található|sayfa bulunamadı",
    r"страница не (?:найдена|существует)|сторінку не знайдено|η σελίδα δεν βρέθηκε",
    r"(?:お探しの)?ページ(?:が|は)(?:見つかりません(?:でした)?|存在しません)",
    r"(?:요청하신 )?페이지를 찾을 수 없습니다|존재하지 않는 페이지입니다",
    r"halaman tidak ditemukan|không tìm thấy trang|trang không tồn tại|存在しないページです",
    r"(?:(?:很?抱歉|对不起|對不起) ?)?(?:您|你|该|此)?(?:(?:访问|查找|请求|要找|訪問)的)?"
    r"(?:页面|网页|文章|内容|頁面|網頁)(?:不存在|未找到|找不到|已(?:被)?删除|走丢了|已下线)(?:了)?",
    r"找不到(?:该|此|您的)?(?:页面|网页|頁面|網頁)|الصفحة غير موجودة|הדף לא נמצא",
)
_PHRASE = "|".join((_ENGLISH, *_OTHERS))
_ERROR = re.compile(
    rf"(?:{_CODE}(?: error)?(?: (?:{_PHRASE}|{_AFTER_CODE}))?|(?:{_PHRASE})(?: {_CODE})?)",
    re.I,
)


def is_error_title(title: str) -> bool:
    """Return True if the title says nothing but that there is no such page.

    The name of the site may stand before or after it.
    """
    parts = _SEPARATOR.split(title) if len(title) <= MAX_CHARS else []
    return any(
        _ERROR.fullmatch(" ".join(_WORDS.findall(part))) and _is_rest_short(part, title)
        for part in (title, *parts)
    )


def _is_rest_short(part: str, title: str) -> bool:
    """Return True if what the title has beside a part may be the name of a site."""
    words = len(_WORDS.findall(part))
    rest = len(_WORDS.findall(title)) - words
    return rest == 0 or (words >= PHRASE_WORDS and rest <= SITE_WORDS)
