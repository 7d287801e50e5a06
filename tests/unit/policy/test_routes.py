"""Which rule a path falls under."""

from __future__ import annotations

import pytest

from wsgi_token_refresh.errors import ConfigurationError
from wsgi_token_refresh.policy.routes import _LONGEST_KNOWN, _MOST_KNOWN, Routes, Rule

ROUTES = Routes(
    protected=["/dashboard", "/open/secret", "/größe"],
    optional=["/dashboard/about"],
    public=["/open", "/dashboard/about/logo.svg"],
    guest_only=["/register", "/register/now/"],
)


def latin(path):
    return path.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        pytest.param("/dashboard", Rule.PROTECTED, id="a prefix matches itself"),
        pytest.param("/dashboard/", Rule.PROTECTED, id="a prefix matches itself with a slash"),
        pytest.param("/dashboard/a/b", Rule.PROTECTED, id="a prefix matches what lies below"),
        pytest.param("/dash", Rule.OPTIONAL, id="no part of a segment matches"),
        pytest.param("/dashboards", Rule.OPTIONAL, id="no beginning of a segment matches"),
        pytest.param("/Dashboard", Rule.OPTIONAL, id="case counts"),
        pytest.param("/dashboard/about", Rule.OPTIONAL, id="the longer prefix wins, laxer"),
        pytest.param("/dashboard/about/us", Rule.OPTIONAL, id="the longer prefix wins below, too"),
        pytest.param("/dashboard/aboutus", Rule.PROTECTED, id="the longer prefix wins on whole segments only"),
        pytest.param("/dashboard/about/logo.svg", Rule.PUBLIC, id="the longest of three wins"),
        pytest.param("/open/secret/x", Rule.PROTECTED, id="the longer prefix wins, stricter"),
        pytest.param("/open/x", Rule.PUBLIC, id="the shorter prefix holds beside it"),
        pytest.param("/elsewhere", Rule.OPTIONAL, id="what no rule names is optional"),
        pytest.param("/", Rule.OPTIONAL, id="the root is optional where no rule names it"),
        pytest.param("", Rule.OPTIONAL, id="an empty path is the root"),
        pytest.param("/register", Rule.GUEST_ONLY, id="guest_only"),
        pytest.param("/register/now", Rule.GUEST_ONLY, id="a slash at the end of a prefix is the same prefix"),
        pytest.param("/login", Rule.LOGIN, id="login_url is login"),
        pytest.param("/login/", Rule.LOGIN, id="login_url with a slash is login"),
        pytest.param("/login/callback", Rule.LOGIN, id="what lies below login_url is login, too"),
        pytest.param("/logins", Rule.OPTIONAL, id="below it on whole segments only"),
        pytest.param(latin("/größe/x"), Rule.PROTECTED, id="a path is UTF-8, read as WSGI has it"),
        pytest.param("dashboard", Rule.PROTECTED, id="a missing first slash is added"),
        pytest.param("//dashboard", Rule.PROTECTED, id="double slashes are one"),
        pytest.param("/open//secret", Rule.PROTECTED, id="double slashes inside are one"),
        pytest.param("/./dashboard", Rule.PROTECTED, id="a dot segment is none"),
        pytest.param("/open/../dashboard", Rule.PROTECTED, id="two dots lead nobody out"),
        pytest.param("/../../dashboard", Rule.PROTECTED, id="nor do several"),
        pytest.param("/open/../open/x", Rule.PROTECTED, id="two dots are protected wherever they lead"),
        pytest.param("http://h/dashboard", Rule.PROTECTED, id="an absolute-form target is read as its path"),
        pytest.param("HTTPS://h:1//dashboard", Rule.PROTECTED, id="whatever its scheme"),
        pytest.param("//h/dashboard", Rule.PROTECTED, id="so is one without a scheme"),
        pytest.param("h:80/dashboard", Rule.PROTECTED, id="and one of a host alone"),
        pytest.param("/open" + "/a" * 4095, Rule.PROTECTED, id="what is too long is protected"),
        pytest.param("/open" + "/a" * 4000, Rule.PUBLIC, id="what is just not is what it is"),
        pytest.param("\\dashboard", Rule.PROTECTED, id="a backslash is a slash"),
        pytest.param("/open\\secret", Rule.PROTECTED, id="a backslash inside is a slash"),
        pytest.param("/dashboard;v=1", Rule.PROTECTED, id="parameters are none"),
        pytest.param("/open;a=b/secret;c", Rule.PROTECTED, id="parameters inside are none"),
        pytest.param("/d%61shboard", Rule.PROTECTED, id="percent-decoded once more"),
        pytest.param("/open%2fsecret", Rule.PROTECTED, id="an encoded slash is a slash"),
        pytest.param("/open/%2e%2e/dashboard", Rule.PROTECTED, id="nor do encoded dots"),
        pytest.param("/d%2561shboard", Rule.OPTIONAL, id="and not twice"),
        pytest.param("/open/%zz", Rule.PUBLIC, id="a percent sign that encodes nothing stays"),
        pytest.param(
            "\\%3b;a%3b.%2f.%3b././%2f@@%5c//\xff;%3b", Rule.PROTECTED, id="more readings than anybody means: strict"
        ),
    ],
)
def test_rule_for(path, rule):
    assert ROUTES.rule_for(path) is rule


@pytest.mark.parametrize(
    ("arguments", "path", "rule"),
    [
        pytest.param({}, "/anything", Rule.PROTECTED, id="without a word everything is protected"),
        pytest.param({}, "/", Rule.PROTECTED, id="without a word the root is protected"),
        pytest.param({}, "/login", Rule.LOGIN, id="without a word login_url always passes"),
        pytest.param({"public": ["/login"]}, "/login", Rule.LOGIN, id="login_url under public is login"),
        pytest.param({"guest_only": ["/login"]}, "/login", Rule.GUEST_ONLY, id="login_url can be guest_only"),
        pytest.param(
            {"protected": [], "login_url": "/"}, "/", Rule.LOGIN, id="login_url can be the root of the application"
        ),
        pytest.param({}, "/login/callback", Rule.LOGIN, id="what lies below login_url passes where all is protected"),
        pytest.param(
            {"protected": ["/", "/login/admin"]}, "/login/admin/x", Rule.PROTECTED, id="but for a longer prefix"
        ),
        pytest.param(
            {"protected": ["/in"], "login_url": "/in"}, "/in", Rule.LOGIN, id="login_url under protected is login"
        ),
        pytest.param(
            {"protected": ["/in"], "login_url": "/in"}, "/in/x", Rule.PROTECTED, id="and what lies below is not"
        ),
        pytest.param({"login_url": "/"}, "/x", Rule.PROTECTED, id="nor is what lies below the root"),
        pytest.param(
            {"protected": ["/account/settings"], "login_url": "/account"},
            "/account/settings/mail",
            Rule.PROTECTED,
            id="a page that is protected by name is so below login_url, too",
        ),
        pytest.param(
            {"guest_only": ["/in"], "login_url": "/in"}, "/in/x", Rule.GUEST_ONLY, id="guest_only holds below it"
        ),
        pytest.param({"optional": ["/in"], "login_url": "/in"}, "/in/x", Rule.OPTIONAL, id="so does optional"),
        pytest.param({"sign_in": ["/callback"]}, "/callback", Rule.LOGIN, id="sign_in passes as login_url does"),
        pytest.param({"sign_in": ["/callback"]}, "/callback/idp", Rule.LOGIN, id="and what lies below"),
        pytest.param({"sign_in": ["/callback"]}, "/callbacks", Rule.PROTECTED, id="and nothing beside it"),
        pytest.param(
            {"sign_in": ["/in"], "protected": ["/", "/in/admin"]},
            "/in/admin",
            Rule.PROTECTED,
            id="but for a longer prefix, too",
        ),
        pytest.param({}, "/callback", Rule.LOGIN, id="without a word sign_in is /callback"),
        pytest.param({"sign_in": []}, "/callback", Rule.PROTECTED, id="an empty sign_in names nothing"),
        pytest.param({"sign_in": ["/in"]}, "/callback", Rule.PROTECTED, id="another sign_in takes its place"),
        pytest.param({"protected": ["/callback"]}, "/callback", Rule.PROTECTED, id="a rule that names /callback holds"),
        pytest.param({"public": ["/callback"]}, "/callback", Rule.PUBLIC, id="be it laxer"),
        pytest.param({"form_post": ["/callback"]}, "/callback", Rule.LOGIN, id="form_post passes as login_url does"),
        pytest.param(
            {"form_post": ["/callback"], "public": ["/callback"]}, "/callback", Rule.PUBLIC, id="unless a rule names it"
        ),
        pytest.param({"protected": []}, "/x", Rule.OPTIONAL, id="an empty list protects nothing"),
        pytest.param({"protected": ("/a",), "public": {"/b"}}, "/b/c", Rule.PUBLIC, id="any collection will do"),
        pytest.param({"login_url": "/a/../login"}, "/login", Rule.PROTECTED, id="login_url matches as it is written"),
    ],
)
def test_rule_for_with(arguments, path, rule):
    assert Routes(**arguments).rule_for(path) is rule


@pytest.mark.parametrize(
    ("path", "known"),
    [
        pytest.param("/dashboard", Rule.PROTECTED, id="what was asked for is known"),
        pytest.param("/" + "a" * (_LONGEST_KNOWN - 1), Rule.OPTIONAL, id="up to a length"),
        pytest.param("/" + "a" * _LONGEST_KNOWN, None, id="and no longer one"),
        pytest.param("/dashboard\x01", None, id="nor what is malformed"),
        pytest.param("/dashboard/../x", None, id="nor what has two dots"),
    ],
)
def test_known(path, known):
    routes = Routes(protected=["/dashboard"])
    assert routes.known(path) is None
    assert routes.rule_for(path) is routes.rule_for(path)
    assert routes.known(path) is known


def test_no_more_is_known_than_fits():
    routes = Routes()
    for number in range(_MOST_KNOWN + 10):
        routes.rule_for(f"/{number}")
    assert sum(routes.known(f"/{number}") is not None for number in range(_MOST_KNOWN + 10)) <= _MOST_KNOWN


def test_strictness():
    assert Rule.PROTECTED > Rule.OPTIONAL > Rule.GUEST_ONLY > Rule.PUBLIC


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param({"protected": "/a"}, "protected", id="one string is not a list"),
        pytest.param({"public": None}, "public", id="None is not a list"),
        pytest.param({"optional": ["a"]}, "optional", id="a prefix begins with a slash"),
        pytest.param({"protected": ["/a,"]}, "protected", id="a prefix has no comma"),
        pytest.param({"protected": ["/app"], "guest_only": ["/"]}, "home_url", id="home is not for guests only"),
        pytest.param({"guest_only": ["/in"], "home_url": "/in/home"}, "home_url", id="nor below what is"),
        pytest.param({"protected": ["/<page>"]}, "protected", id="a prefix is no pattern of Flask's"),
        pytest.param({"protected": ["/{page}"]}, "protected", id="a prefix is no pattern of Pyramid's"),
        pytest.param({"public": ["/a/*"]}, "public", id="a prefix is no glob"),
        pytest.param({"public": ["/a?b"]}, "public", id="a prefix has no query"),
        pytest.param({"public": ["/a#b"]}, "public", id="a prefix has no fragment"),
        pytest.param({"public": ["/a//b"]}, "public", id="a prefix has no double slash"),
        pytest.param({"public": ["/a/../b"]}, "public", id="a prefix has no dot segments"),
        pytest.param({"public": ["/a%20b"]}, "public", id="a prefix is not encoded"),
        pytest.param({"guest_only": [7]}, "guest_only", id="a prefix is a string"),
        pytest.param({"protected": ["/a"], "public": ["/a/"]}, "/a", id="one prefix under two rules"),
        pytest.param({"login_url": "https://auth.example.com/"}, "login_url", id="login_url is local"),
        pytest.param({"login_url": "//evil.example"}, "login_url", id="login_url names no host"),
        pytest.param({"login_url": "/login?a=b"}, "login_url", id="login_url has no query"),
        pytest.param({"login_url": ""}, "login_url", id="login_url is not empty"),
        pytest.param({"login_url": None}, "login_url", id="login_url is a string"),
        pytest.param({"home_url": "home"}, "home_url", id="home_url begins with a slash"),
        pytest.param({"trusted_origins": "https://a.example"}, "trusted_origins", id="one origin is not a list"),
        pytest.param({"trusted_origins": None}, "trusted_origins", id="no origins are an empty list"),
        pytest.param({"trusted_origins": ["a.example"]}, "trusted_origins", id="an origin has a scheme"),
        pytest.param({"trusted_origins": ["https://a.example/x"]}, "trusted_origins", id="an origin has no path"),
        pytest.param({"trusted_origins": ["https://[a"]}, "trusted_origins", id="an origin can be read"),
        pytest.param({"trusted_origins": [7]}, "trusted_origins", id="an origin is a string"),
        pytest.param({"sign_in": "/a"}, "sign_in", id="one prefix of sign_in is not a list"),
        pytest.param({"form_post": ["a"]}, "form_post", id="a prefix of form_post begins with a slash"),
        pytest.param({"sign_in": ["/a"], "protected": ["/a"]}, "sign_in", id="the way in is not protected"),
        pytest.param({"form_post": ["/a"], "protected": ["/a"]}, "form_post", id="nor is what a provider posts to"),
        pytest.param({"public": ["/" + "a" * 9000]}, "public", id="a prefix is no longer than a path"),
        pytest.param(
            {"trusted_origins": [f"https://{'ü' * 80}.example"]}, "trusted_origins", id="an origin has a name"
        ),
        pytest.param({"preflight": "deny"}, "preflight", id="preflight is answered or passed"),
    ],
)
def test_cannot_be_configured(arguments, named):
    with pytest.raises(ConfigurationError, match=named) as raised:
        Routes(**arguments)
    assert all(problem.startswith("Routes: ") for problem in raised.value.problems)


def test_all_problems_at_once():
    with pytest.raises(ConfigurationError) as raised:
        Routes(protected=["a", "b"], login_url="x", home_url="y", trusted_origins=["z"], preflight="w")
    assert len(raised.value.problems) == 6


@pytest.mark.parametrize(
    ("origin", "trusted"),
    [
        pytest.param("https://app.example.com", True, id="as it is listed"),
        pytest.param("https://APP.example.com", True, id="in any case"),
        pytest.param("https://app.example.com:443", True, id="with its default port"),
        pytest.param("https://xn--bcher-kva.example", True, id="in the letters of the wire"),
        pytest.param("https://app.example.com:80", False, id="not on the default port of another scheme"),
        pytest.param("https://app.example.com/", False, id="not with a path"),
        pytest.param("https://app.example.com.", False, id="not with a dot behind it, which is another origin"),
        pytest.param("https://x@app.example.com", False, id="not with somebody's name"),
        pytest.param("https://app.example.com, https://evil.example", False, id="not in a list"),
        pytest.param("https://app.example.com https://evil.example", False, id="not with another one behind it"),
        pytest.param(" https://app.example.com", False, id="not with blanks"),
        pytest.param("http://app.example.com", False, id="not by another scheme"),
        pytest.param("https://app.example.com:8443", False, id="not on another port"),
        pytest.param("https://app.example.com.evil.example", False, id="not as a beginning"),
        pytest.param("https://x.app.example.com", False, id="not below it"),
        pytest.param("null", False, id="not an opaque one"),
        pytest.param("", False, id="not an empty one"),
        pytest.param("https://[", False, id="not one that cannot be read"),
    ],
)
def test_is_trusted(origin, trusted):
    assert Routes(trusted_origins=["https://app.example.com/", "https://bücher.example"]).is_trusted(origin) is trusted


@pytest.mark.parametrize(
    ("path", "takes"),
    [
        pytest.param("/callback", True, id="a prefix"),
        pytest.param("/callback/idp", True, id="what lies below"),
        pytest.param("/callbacks", False, id="nothing beside it"),
        pytest.param("/x//callback", False, id="nothing that ends so"),
        pytest.param("//x/callback", False, id="nothing that some read so"),
        pytest.param("/callback/../x", False, id="nothing that leads out"),
        pytest.param("/callback/" + "a" * 9000, False, id="nothing that is too long"),
    ],
)
def test_takes_posts(path, takes):
    assert Routes(form_post=["/callback"]).takes_posts(path) is takes
    assert not Routes().takes_posts(path)


def test_nobody_is_trusted_without_a_word():
    assert not Routes().is_trusted("null")


def test_repr_names_the_rules():
    assert "'sign_in': ['/c']" in repr(Routes(sign_in=["/c"]))
    assert repr(Routes(protected=["/a"], public=["/b"])) == (
        "Routes({'protected': ['/a'], 'public': ['/b']}, login_url='/login')"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({}, [], id="nothing of a login page that is one"),
        pytest.param({"login_url": "/"}, [], id="nothing of the root, below which nothing is opened"),
        pytest.param({"login_url": "/app"}, [], id="nothing where nothing shows that there is more"),
        pytest.param(
            {"login_url": "/account", "protected": ["/", "/account/settings"]},
            ["'/account'", "'/account/settings'"],
            id="a page below login_url that is protected",
        ),
        pytest.param({"login_url": "/app", "home_url": "/app/home"}, ["'/app'", "'/app/home'"], id="a home below it"),
        pytest.param({"login_url": "/app", "home_url": "/app/"}, [], id="nothing where they are one"),
        pytest.param(
            {"login_url": "/app", "home_url": "/app/home", "protected": ["/", "/app/home/"]},
            ["protected has '/app/home/'"],
            id="a home that is protected by name",
        ),
        pytest.param(
            {"login_url": "/account", "protected": ["/account/settings"]}, [], id="nothing where it opens nothing"
        ),
        pytest.param(
            {"login_url": "/account", "protected": ["/", "/account", "/account/settings"]},
            [],
            id="nor where a rule has it",
        ),
        pytest.param(
            {"login_url": "/account", "sign_in": ["/account"], "protected": ["/", "/account/settings"]},
            [],
            id="nor where it was said",
        ),
        pytest.param({"protected": ["/", "/logins/x"]}, [], id="nothing of what begins alike"),
    ],
)
def test_a_login_url_that_is_too_wide_is_warned_of(arguments, said):
    warnings = Routes(**arguments).warnings
    assert len(warnings) == bool(said)
    assert all(each in warnings[0] for each in said)
