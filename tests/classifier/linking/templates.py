"""Notices written from templates: one wording, other firms, towns, figures and dates.

Registers of attorneys general, law firms, regulators and the firms themselves publish
such pages. Two of them about different firms share most of their words.
"""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass, replace

FIRST_DAY = datetime.date(2021, 1, 4)


@dataclass(frozen=True, kw_only=True)
class Incident:
    """What a template is filled with. `people` counts persons, `sum` is in thousands."""

    firm: str
    town: str
    people: int
    sum: int
    cause: str
    data: str
    found: datetime.date


@dataclass(frozen=True, kw_only=True)
class Notice:
    title: str
    text: str
    published: str


ATTORNEY_GENERAL = (
    "Notice of data breach: {firm}, {town}",
    "{firm} of {town} has begun to notify {people:,} people that their personal data "
    "was exposed. According to the notice filed with the attorney general, the company "
    "found on {found} that {cause}.\nThe information involved may include {data}. The "
    "company says that it has no evidence of misuse. Free credit monitoring is offered "
    "for twelve months.\nResidents who receive a letter should check their statements, "
    "place a fraud alert with the credit bureaus and change passwords that they use "
    "elsewhere. Questions about this notice can be put to the consumer hotline on "
    "weekdays from nine to five.",
)
LAW_FIRM = (
    "{firm} data breach: investigation on behalf of victims",
    "The lawyers of Abel and Marsh are investigating claims on behalf of all who had a "
    "letter from {firm}. On {found} the {town} company learned that {cause}. About "
    "{people:,} individuals are concerned.\nWhat was exposed: {data}. If you are a "
    "victim of the breach at {firm}, you may be entitled to compensation. There is no "
    "charge unless we win. To speak with a lawyer, fill in the form below.\nOur firm "
    "has recovered millions for people whose private information was not kept safe by "
    "those they trusted with it.",
)
REGULATOR = (
    "Penalty notice: {firm}",
    "The commissioner has issued a penalty of {sum},000 pounds to {firm}, {town}, for "
    "failing to keep personal data secure. On {found} the firm reported that {cause}. "
    "The records of {people:,} people were affected, among them {data}.\nThe firm did "
    "not test its measures regularly and had no record of who could open which system. "
    "It co-operated with the inquiry, which was taken into account. The penalty must be "
    "paid within 28 days, and an appeal may be brought before the tribunal.",
)
COMPANY = (
    "{firm}: notice to our customers",
    "Dear customer, we write to tell you of an event at {firm} that may concern your "
    "personal data. On {found} we found that {cause}. We at once called in specialists "
    "and informed the police in {town}.\nOur review, which has now ended, shows that "
    "files of {people:,} customers were taken. They held {data}. We regret this deeply "
    "and have changed how our systems are guarded. Please be careful with unexpected "
    "calls and messages, and never give your password to anybody.",
)
CHINESE_REGULATOR = (
    "网信部门依法查处{firm}数据泄露案",
    "近日,{town}网信办接到群众举报,对{firm}立案调查。经查,{found}该公司{cause},"
    "致使{people}名用户的{data}被窃取。\n该公司未建立数据安全管理制度,未采取必要的"
    "技术措施,违反了网络数据安全管理的有关规定。{town}网信办依法责令其改正,给予警告,"
    "并处罚款{sum}万元,对直接负责的主管人员另处罚款。网信部门提醒,各企业应当履行数据"
    "安全保护义务,发现风险及时处置并报告。",
)
CHINESE_COMPANY = (
    "{firm}关于用户信息安全事件的公告",
    "尊敬的用户:我司于{found}发现{cause},可能影响您的个人信息。经专业机构核查,共有"
    "{people}名用户的{data}受到影响。\n我司已第一时间修复问题,并向{town}公安机关报案。"
    "目前没有证据表明上述信息被滥用。请您留意陌生来电和短信,不要向任何人透露验证码。"
    "如有疑问,请拨打客服热线。对由此带来的不便,{firm}深表歉意。",
)
ENGLISH = (ATTORNEY_GENERAL, LAW_FIRM, REGULATOR, COMPANY)
CHINESE = (CHINESE_REGULATOR, CHINESE_COMPANY)

_HEADS = "Ridge Tamar Selk Corv Ast Brem Dunn Ferr Gold Hask Ing Kell Lor Mart".split()
_TAILS = "field ind more wick well ison ley over ane holt ora bury".split()
_TRADES = (
    "Credit Union|Orthopaedics|Insurance|Logistics|Dental Group|Pharmacy|Schools"
    "|Hotels|Telecom|Payroll Services|Airlines|Housing Trust"
).split("|")
_TOWNS = (
    "Dayford|Port Selby|Ashcombe|Millbrae|Norwater|Eastlow|Carrick Falls|Hollin"
    "|Saxby|Greenock Bay|Tarn Hill|Whitsand"
).split("|")
_CAUSES = (
    "an employee's mailbox was read by a stranger",
    "ransomware locked its file servers",
    "a supplier left a database without a password",
    "a former contractor copied files",
    "a stolen laptop held client records",
)
_DATA = (
    "Social Security numbers and diagnoses",
    "account numbers and loan papers",
    "names, addresses and dates of birth",
    "passport scans and payment cards",
)
_HAN_HEADS = "云海星山北川松林锦华瑞安恒通白湖启明远航金石宏图".strip()
_HAN_TRADES = "网络科技公司 连锁酒店集团 保险公司 快递公司 医院 教育集团".split()
_HAN_TOWNS = "临江市 北川市 松塘县 白湖区 锦城市 安宁市 海原市 石门县".split()
_HAN_CAUSES = (
    "数据库未设密码",
    "服务器被勒索软件加密",
    "员工邮箱被盗",
    "外包人员私自拷贝文件",
)
_HAN_DATA = ("姓名和身份证号", "手机号和住址", "就诊记录", "银行卡号和交易明细")


def incidents(count: int, seed: int, chinese: bool = False) -> list[Incident]:
    """Return `count` incidents of as many firms, in the order of their dates."""
    random_ = random.Random(seed)
    firms: dict[str, None] = {}
    while len(firms) < count:
        firms[_han_firm(random_) if chinese else _firm(random_)] = None
    found = [
        Incident(
            firm=firm,
            town=random_.choice(_HAN_TOWNS if chinese else _TOWNS),
            people=random_.randrange(1_100, 900_000),
            sum=random_.randrange(20, 900),
            cause=random_.choice(_HAN_CAUSES if chinese else _CAUSES),
            data=random_.choice(_HAN_DATA if chinese else _DATA),
            found=FIRST_DAY + datetime.timedelta(days=random_.randrange(1_500)),
        )
        for firm in firms
    ]
    return sorted(found, key=lambda one: one.found)


def _firm(random_: random.Random) -> str:
    name = random_.choice(_HEADS) + random_.choice(_TAILS)
    return f"{name} {random_.choice(_TRADES)}"


def _han_firm(random_: random.Random) -> str:
    name = "".join(random_.sample(_HAN_HEADS, 2))
    return name + random_.choice(_HAN_TRADES)


def notice(
    template: tuple[str, str], incident: Incident, days_later: int = 3
) -> Notice:
    """Fill a template; it is published `days_later` than the incident was found."""
    chinese = template in CHINESE
    found = incident.found
    day = (
        f"{found.year}年{found.month}月{found.day}日"
        if chinese
        else f"{found:%B} {found.day}, {found.year}"
    )
    values = vars(incident) | {"found": day}
    title, text = (part.format(**values) for part in template)
    published = found + datetime.timedelta(days=days_later)
    return Notice(title=title, text=text, published=published.isoformat())


def syndicated(original: Notice, days_later: int = 1) -> Notice:
    """Return the same text under a title of the other paper, with its byline."""
    chinese = "\u3002" in original.text
    title = "转载:" + original.title[:12] if chinese else "From our partners"
    byline = "来源:晨报网\n" if chinese else "By our news desk.\n"
    return _later(
        replace(original, title=title, text=byline + original.text), days_later
    )


def edited(original: Notice, days_later: int = 1) -> Notice:
    """Return the text with light edits, as a copy editor makes them."""
    text = original.text
    for old, new in (
        ("the company", "it"),
        ("deeply", "very much"),
        ("About", "Some"),
        ("found", "discovered"),
        ("近日", "日前"),
        ("依法", ""),
        ("第一时间", "立即"),
    ):
        text = text.replace(old, new)
    return _later(replace(original, text=text), days_later)


def repunctuated(original: Notice, days_later: int = 1) -> Notice:
    """Return the text with the punctuation of the other script, and no title."""
    table = (
        str.maketrans(",。:;()", ",.:;()")
        if "\u3002" in original.text
        else str.maketrans({"'": "\u2019", "-": "\u2013"})
    )
    text = original.text.translate(table)
    return _later(replace(original, text=text), days_later)


def _later(original: Notice, days: int) -> Notice:
    day = datetime.date.fromisoformat(original.published)
    return replace(original, published=(day + datetime.timedelta(days)).isoformat())
