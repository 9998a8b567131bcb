"""An answer in another language than its question, told apart from all that only looks like it."""

from itertools import product

import pytest

from core.data.lint.languages import answers_in_another_language

REFUND = {
    "en": "The money for your flight is on its way, and it will be in your account within three days.",
    "de": "Das Geld für Ihren Flug ist auf dem Weg und wird in drei Tagen auf Ihrem Konto sein.",
    "fr": "L'argent de votre vol est en route et sera sur votre compte dans les trois jours qui viennent.",
    "es": "El dinero de su vuelo está en camino y estará en su cuenta dentro de los próximos tres días.",
    "it": "I soldi del vostro volo sono in arrivo e saranno sul vostro conto nei prossimi tre giorni.",
    "nl": "Het geld voor uw vlucht is onderweg en zal binnen drie dagen op uw rekening worden bijgeschreven.",
    "fi": "Lentosi rahat ovat matkalla, ja ne ovat tililläsi viimeistään kolmen päivän kuluttua tästä.",
    "cs": "Peníze za váš let jsou na cestě a na vašem účtu budou nejpozději během příštích tří dnů.",
    "ru": "Деньги за ваш рейс уже в пути и поступят на ваш счёт в течение трёх дней.",
    "zh": "您的航班退款已经在路上，三天之内就会到达您的账户。",
    "ja": "フライトの返金は手続き中で、三日以内にお客様の口座に振り込まれます。",
    "ko": "항공편 환불이 진행 중이며 사흘 안에 고객님의 계좌로 입금될 예정입니다.",
    "ar": "أموال رحلتك في الطريق وستكون في حسابك خلال ثلاثة أيام.",
    "hi": "आपकी उड़ान का पैसा रास्ते में है और तीन दिनों के भीतर आपके खाते में आ जाएगा।",
}


# Two languages in Latin letters that both have no list of small words are not compared.
PAIRS = [pair for pair in product(REFUND, REFUND) if set(pair) != {"fi", "cs"}]


@pytest.mark.parametrize(("asked", "answered"), PAIRS)
def test_two_languages_in_a_row_are_seen_and_one_is_not(asked, answered):
    assert answers_in_another_language(REFUND[asked], REFUND[answered]) == (asked != answered)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("What is the capital of the country that lies to the west of Spain?", "Lisboa"),
        (
            "Name the seven dwarfs of the tale.",
            "Doc, Grumpy, Happy, Sleepy, Bashful, Sneezy, Dopey, and Snow White.",
        ),
        ("Give me the list of the chemical symbols.", "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca"),
        ("写一个函数，把两个数字相加，然后返回结果。", "```python\ndef add(a, b):\n    return a + b\n```"),
        (
            "Schreibe eine Funktion, die zwei Zahlen addiert und das Ergebnis ausgibt.",
            "def add(a, b): return a + b",
        ),
        ("What is the sum of 4815 and 1623 and 42?", "4815 + 1623 + 42 = 6480 = 6480 = 6480 = 6480 = 6480"),
        (
            "What does 你好 mean, and when is it used?",
            "It is a greeting, and it is used at any time of the day.",
        ),
        (
            "How do you say good morning in French?",
            "On dit bonjour, et c'est aussi ce que les gens disent le soir.",
        ),
        ("Übersetze ins Englische: Wo ist der Bahnhof?", "Where is the station, and how do you get there?"),
        ("", "Das ist nicht die Antwort, die wir von dir wollten."),
    ],
)
def test_names_lists_code_numbers_and_translations_are_no_other_language(prompt, answer):
    assert not answers_in_another_language(prompt, answer)
