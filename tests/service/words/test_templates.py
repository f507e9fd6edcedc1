"""Templates speak one language, and escape what is not ours."""

from jinja2 import DictLoader, Environment

from belmont.registry.types import StudyStatus
from belmont.service.words import Sentence, install, of

PAGE = (
    '<html lang="{{ lang }}">{% import "macro" as m %}{{ m.yes() }} {{ status|say }} {{ 90000|span }} '
    "{{ sentence|say }} {% trans name=name %}none{% endtrans %}</html>"
)


def page(code: str, **values: object) -> str:
    loader = DictLoader({"page": PAGE, "macro": "{% macro yes() %}{{ _('yes') }}{% endmacro %}"})
    environment = Environment(loader=loader, autoescape=True)
    install(environment, of(code))
    return environment.get_template("page").render(**values)


def test_a_page_and_its_macros_speak_the_environments_language() -> None:
    sentence = Sentence("study {number} “{title}”", number=3, title="<b>&")
    values = {"status": StudyStatus.APPROVED, "sentence": sentence, "name": "x"}
    assert page("en", **values) == ('<html lang="en">yes approved 1 day 1 hour study 3 “&lt;b&gt;&amp;” none</html>')
    assert page("zh-Hans", **values) == (
        '<html lang="zh-Hans">是 已批准 1 天 1 小时 研究 3《&lt;b&gt;&amp;》 无</html>'
    )


def test_parameters_of_messages_are_escaped() -> None:
    environment = Environment(autoescape=True)
    install(environment, of("en"))
    assert environment.from_string("{{ _('Hello %(who)s', who=x) }}").render(x="<i>") == "Hello &lt;i&gt;"


def test_parts_let_a_page_make_links() -> None:
    from belmont.service.explain import Names

    environment = Environment(autoescape=True)
    install(environment, of("en"))
    source = (
        "{% for part in sentence|parts %}{% if part.kind is defined %}<a href='/{{ part.kind }}/{{ part.key }}'>"
        "{{ part|say }}</a>{% else %}{{ part }}{% endif %}{% endfor %}"
    )
    sentence = Sentence("{who} voted for {study}.", who="<b>", study=Names(studies={3: "<T>"}).study(3))
    shown = environment.from_string(source).render(sentence=sentence)
    assert shown == "&lt;b&gt; voted for <a href='/study/3'>study 3 “&lt;T&gt;”</a>."
