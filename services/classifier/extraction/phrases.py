"""Phrases of a site around its articles: labels, buttons, credits, contacts.

In the languages of the known feeds.
"""

from __future__ import annotations

import re

POST = re.compile(
    r"twitter-tweet|twitter-video|instagram-media|bluesky-embed|mastodon|tiktok-embed|reddit-embed|"
    r"truth-?social",
    re.I,
)
# Classes of short boxes that ask for a subscription.
SIGN_UP = re.compile(
    r"(?:sign-?up|subscribe|subscription|newsletter)[-_]{1,2}(?:card|box|form|widget|cta|promo|banner|block"
    r"|module|callout)",
    re.I,
)
CAPTION = re.compile(
    r"caption|bildunter|bildtext|(?:image|photo|picture|img|media)[-_]?(?:text|desc|legend|credit|copyright|source)",
    re.I,
)
LABEL = re.compile(
    r"^[\W_]*(?:related(?: (?:stories|articles|posts?|content|links|reading|topics|coverage))?|"
    r"(?:also )?read(?: more| also| next| this)?(?: (?:about|on|at)\b"
    r"[^:]{0,40})?|see(?: also| more)|more(?: (?:on|from|about|at)\b[^:.]{0,30})?|also|watch(?: now| more|"
    r" live)?|listen|recommended|don['’]t miss|"
    r"you (?:may|might) (?:also )?(?:like|be interested)|further reading|tags?|topics?|filed under|categories|"
    r"keywords|sources?|via|"
    r"lesen sie (?:auch|mehr|hier|dazu)[^:]{0,30}|lies auch|mehr (?:zum thema|dazu|lesen)|auch interessant|"
    r"siehe auch|zum thema|"
    r"weiterlesen|schlagw[oö]rter|themen|lea (?:también|más|además)|lea|lee (?:también|más)|leer más|"
    r"ver también|te puede interesar|mirá también|temas|"
    r"etiquetas|(?:à )?lire aussi|voir aussi|sur le même sujet|leggi anche(?: su)?|guarda anche|"
    r"ti potrebbe interessare|leia (?:também|mais)|veja também|"
    r"saiba mais|czytaj (?:też|także|również|więcej)|zobacz (?:też|także|również)|przeczytaj (?:też|także)|"
    r"więcej|dowiedz się więcej|читайте также|смотрите также|"
    r"相关(?:阅读|新闻|报道|链接|文章)|延伸阅读|推荐阅读|更多(?:新闻|内容|报道)|责任编辑|责编|编辑|来源|原标题|关键词|标签|校对)\s*(?:[:：»>]|\|)",
    re.I,
)
PHRASE = re.compile(
    r"^[\W\d_]*(?:comments?|kommentare?|comentarios|commentaires|advertisements?|sponsored(?: content)?|anzeige|"
    r"werbung|publicidad|reklama|"
    r"pubblicità|advertisement - .{0,40}|广告|分享|share|tweet|print|save|teilen|drucken|compartir|"
    r"partager|tags?|topics?|themen|temas|"
    r"related(?: (?:stories|articles|posts?|content|links|topics))?|read (?:more|next|full story)|see more|"
    r"show more|load more|most (?:read|popular)\b.{0,30}|"
    r"continue reading|you may also like|weiterlesen|mehr anzeigen|"
    r"bildergalerie|leer más|lire la suite|"
    r"learn more|find out more|dowiedz się więcej|więcej|click to (?:tweet|share|expand)|leave a (?:reply|"
    r"comment)|back to top|nach oben|zurück|weiter)[\W\d_]*$|"
    r"^(?:please )?(?:subscribe|sign up|register)(?: now| here| today)? (?:to|"
    r"for)\b.{0,120}(?:newsletter|inbox|updates|"
    r"youtube|channel|alerts|free)|"
    r"\bsubscribe to (?:our|the|.{2,40}['’]s) .{0,40}(?:newsletter|channel|podcast)|"
    r"^(?:click|tap) here (?:to|for)\b|^\(?(?:click|tap) (?:here|to)\b.{0,60}\)?$|^get (?:the|our) (?:latest|"
    r"best|top|daily|free)\b.{0,120}(?:inbox|newsletter|updates|delivered)|"
    r"delivered (?:straight |right |directly )?to your inbox|^(?:download|get) (?:the|"
    r"our) .{0,30}\bapp\b|"
    r"^follow (?:us|him|her|me|them|@?\w+(?: \w+)?) on (?:twitter|facebook|instagram|x|linkedin|tiktok|"
    r"google news|youtube)|"
    r"^(?:like|find|join) us on (?:facebook|twitter)|^tell us what you think|^what do you think\?.{0,60}comment|"
    r"^have (?:a|any) (?:news )?tips?\?|"
    r"^(?:©|copyright (?:©|\(c\)|ⓒ|by |\d{4}|\w+ \d{4})|\(c\) ?\d{4})|all rights reserved|"
    r"alle rechte vorbehalten|todos los derechos reservados|"
    r"tous droits réservés|"
    r"版权所有|未经(?:授权|许可)，?(?:不得|禁止|严禁|请勿)(?:转载|复制)|^(?:请|欢迎)?(?:扫描?|长按)(?:识别)?.{0,6}二维码|"
    r"^(?:请|欢迎)?(?:点击)?关注.{0,12}(?:公众号|微信)|무단전재|"
    r"^[（(【*]?.{0,12}(?:声明|聲明|提示)[:：].{0,80}(?:转载|轉載|信息存储|仅代表(?:作者|个人)|不代表本|版权|侵权)|"
    r"^返回.{1,10}[，,]\s?查看更多|^点击.{0,3}阅读原文|"
    r"(?:may|might) (?:earn|receive|get) (?:a |an )?(?:small |affiliate )?commission|"
    r"affiliate links?\b.{0,80}commission|"
    r"^this (?:article|story|post) (?:was )?(?:originally|first) (?:appeared|published)|"
    r"^(?:please )?(?:enable|turn on) javascript|^you must be logged in|^(?:log|sign) in to (?:comment|read|"
    r"continue)|comments? (?:are|is) (?:closed|moderated)|"
    r"^(?:sie müssen|du musst) .{0,40}(?:angemeldet|eingeloggt)|^(?:reading time|"
    r"lesezeit|lesedauer|tempo de leitura|tiempo de lectura|temps de lecture)\b|"
    r"^\d+ (?:min(?:ute)?s?|min\.) read$|^(?:anzeige|advertisement|werbung|publicidad)\s*[-–:]|^(?:bild|foto|"
    r"image) (?:anzeigen|schließen|vergrößern)|"
    r"^.{0,40}\b(?:impressum|imprint)\b.{0,40}\b(?:datenschutz|privacy)\b|^(?:abbildung|abb\.|figure|fig\.|"
    r"图)\s?\d+\s?[:.：]|^https?://\S+$|"
    r"^\[/?\w+ [^\]=]{0,40}=[^\]]{0,120}\]",
    re.I,
)
CREDIT = re.compile(
    r"^[(\[]?(?:photo|photograph|image|picture|foto|fotos|bild|bilder|bildquelle|quelle|credits?|crédito|"
    r"zdjęcie|fot\.|图片|图源|摄影|图)"
    r"(?: credits?| by| von| courtesy of)?\s*[:：/|©].{0,90}$|^(?:©|\(c\)).{0,80}$|"
    r"^.{0,50}(?:getty images|/ ?afp|/ ?reuters|/ ?ap photo|/ ?dpa|shutterstock|istock|picture alliance|"
    r"pixabay|unsplash)(?:\.com)?\)?$",
    re.I,
)
TAIL = re.compile(
    r"^[(\[—–\s-]*(?:(?:additional )?(?:reporting|writing|editing)(?: and \w+)? by\b|with (?:files|"
    r"reporting) (?:from|by)\b|source: .{2,60}$|"
    r"email \w+.{0,60}@|you can (?:follow|reach|email|contact)|contact (?:the author|the writer|\w+ \w+) (?:at|"
    r"on)\b)|"
    r"contributed (?:to this (?:report|story|article)|reporting)|(?:may|can) be (?:reached|"
    r"contacted) (?:at|via) .{0,60}@|"
    r"\bfollow (?:him|her|them|me) (?:on|at|@)|"
    r"^[A-Z][\w.'’-]+(?: [A-Z][\w.'’-]+){1,3} is (?:the|a|an|[A-Z]\S*['’]s?)\b.{0,60}\b(?:editor|writer|"
    r"reporter|correspondent|columnist|curator|"
    r"journalist|contributor|producer|author)\b|^(?:\(?责任编辑|\(?责编|\(?编辑|\(?来源|\(?记者)[:：\s].{0,40}$",
    re.I,
)


END_MATTER = re.compile(
    r"^[\W\d]*(?:(?:press|media)(?: and media)? (?:contacts?|enquiries|inquiries)|pressekontakt|medienkontakt|"
    r"ansprechpartner(?:in(?:nen)?)?\b.{0,30}|kontakt|"
    r"contacts?(?: information| us)?|contacto(?: de prensa)?|contact presse|notes? to editors|"
    r"quellen(?:angaben?|verzeichnis)?|references?|"
    r"bibliography|literatur|footnotes|fußnoten|about the authors?|über den autor|weiterführende (?:artikel|"
    r"links|informationen).{0,30})\s*[:：]?$",
    re.I,
)

# First lines after an article; the rest of the page is the same under every article.
AFTER_ARTICLE = re.compile(
    r"^[^\S\n]*(?:©|\(c\) ?\d{4}|copyright\b.{0,40}\d{4}|.{0,80}\ball rights reserved\b|leave a (?:reply|comment)\s*$"
    r"|articles you may like\s*$|版权所有|.{0,20}未经(?:授权|许可)，?(?:不得|禁止|严禁|请勿)(?:转载|复制))",
    re.IGNORECASE | re.MULTILINE,
)
