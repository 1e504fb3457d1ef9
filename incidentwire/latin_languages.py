"""The language of words of Latin letters, by the most common ones. Pure."""

from __future__ import annotations

from collections import Counter

UNKNOWN = "und"  # ISO 639-2: undetermined
MIN_VOTES = 2  # common words of a language
MAX_WORDS_PER_VOTE = 12  # of running text, at least every twelfth word is common

_COMMON = {
    "en": "the of and to in is that for on was with as it by from at this are has have be his her an not will who",
    "de": "der die und das von den mit ist ein eine nicht auf dem sich für im zu des auch werden wurde nach bei aus",
    "fr": "le la les des et du une est dans pour que qui sur au par plus avec pas ne ce cette sont aux été ses leur",
    "es": "el la los las de que y en un una del por con para se su como más al fue pero sus ha este son está",
    "it": "il di che la e per una è con del non sono della le dei si da nel alla più anche gli ha stato questo",
    "pt": "o a os as de que e em um uma do da para com não por mais no na dos foi ao das como são ou sua",
    "nl": "de het een van en is dat op te in voor met niet zijn aan door er ook bij naar uit wordt werd deze",
    "sv": "och att det som en på är av för med den till inte har de om ett men var från kan sig efter",
    "pl": "w i na z się nie do że to jest o od za po przez jak są dla oraz które był było ich tym",
    "tr": "ve bir bu için ile olarak da de daha çok en olan gibi sonra kadar ancak ise değil tarafından",
    "da": "og det er til af på som med den der ikke har fra kan blev efter også sig ved eller deres",
    "fi": "ja ei että oli ovat myös hän mutta kun jos joka niin sen mukaan tai ole sekä kuin",
    "cs": "se na je že ve jsou pro jako byl podle byla od před také který které jeho bylo ale při",
    "hr": "je se na da su za od koji te iz kako bi nije što koje nakon također bio prema ili",
    "hu": "az és hogy nem egy volt ez már csak szerint vagy mint még azt pedig után amely lehet",
    "ro": "și şi în la cu pe un care din este nu să că pentru mai fost ale prin sau după lui",
    "id": "yang dan di untuk dengan dari ini itu pada tidak dalam adalah akan telah oleh ke juga para atau",
    "vi": "của và là các có cho được trong với không những một này đã người khi từ về tại",
}
_WORDS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_LANGUAGES_OF = {
    word: [language for language, common in _WORDS.items() if word in common]
    for word in sorted(frozenset().union(*_WORDS.values()))
}


def language_of_words(words: list[str]) -> str:
    """Return the language whose common words these have, "und" if they have few.

    Words of Latin letters, in lower case.
    """
    counts = Counter(words)
    votes = dict.fromkeys(_COMMON, 0)
    for word in _LANGUAGES_OF.keys() & counts.keys():
        for language in _LANGUAGES_OF[word]:
            votes[language] += counts[word]
    best = max(votes, key=votes.__getitem__)
    is_frequent = votes[best] >= MIN_VOTES and votes[best] * MAX_WORDS_PER_VOTE >= len(
        words
    )
    if is_frequent and (best == "en" or votes[best] > votes["en"]):
        return best
    return UNKNOWN
