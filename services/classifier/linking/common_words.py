"""Words that say little about which incident a text reports: those of every news story, and those of this field.

The linker learns what is common from the stream; this list stands in while the stream is young, when two reports that
share nothing but "facial recognition" and "company" would look as near as two on one breach. Written by hand.
"""

from __future__ import annotations

ENGLISH = frozenset(
    """
    access according account accounts act add added address addresses agency ai algorithm algorithms american app
    apps april article artificial ask asked attack august author authority ban banned become big bill billion
    biometric biometrics breach breaches british call called came camera cameras case child children china chinese
    city client clients collect collected collecting collection come comment commission companies company complaint
    computer consent consumer country court customer customers data database day december deepfake deepfakes
    department device digital early email eu europe european expect expected expose exposed face faces facial fake
    family february find fine fined fingerprint first follow following former found four friday get getty give given
    go got government group hack hacked hacker hackers hacking help high home identity image images include
    including information inquiry intelligence international internet investigation january judge july june know
    known large last late law lawsuit leak leaked leaks learning legal local long machine made major make man march
    media men million minister model models monday month name names national need new news next november number
    october official officials old one online part password passwords people percent permission personal phone photo
    photos picture place platform platforms police policy president privacy private protection public read recent
    recently recognition record records regulation regulator regulators report reported reports reuters right rights
    rule rules saturday school scrape scraped secure security see seen september server service services share
    shared sharing show shown site small software source sources spokesman spokesperson state statement states
    stolen store stored story sunday surveillance synthetic system systems take taken tech technologies technology
    tell thousand three thursday time today took tuesday two uk united us use used user users video videos voice
    want website wednesday week went woman women work worker world write wrote year yesterday
    """.split()
)
CHINESE = frozenset(  # as bigrams, like all Chinese terms
    """
    一个 个人 中国 事件 互联 人员 人脸 今天 他们 以及 企业 使用 保护 信息 公司 其中 发生 可以 同意 国家
    处理 安全 对于 工作 已经 平台 应用 情况 我们 手机 技术 报道 授权 收集 数据 方面 日前 昨天 有关 服务
    根据 没有 泄露 法律 法院 照片 用户 监管 目前 相关 社会 管理 系统 网络 联网 表示 要求 规定 视频 记者
    识别 调查 近日 进行 通过 部分 部门 采集 问题 隐私
    """.split()
)
