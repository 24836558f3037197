"""Django's settings. What an operator decides (onceline.config) is put in by `decided_by` when the desk is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _

from onceline.config import Settings

_HERE = Path(__file__).parent

SECRET_KEY = "the door puts in one of the key store's"  # noqa: S105 - it signs nothing
DEBUG = False
USE_X_FORWARDED_HOST = False

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "django_htmx",
    "csp",
    "onceline.desk.people",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "onceline.desk.dashboard",
    "onceline.desk.pages",
]
MIDDLEWARE = [
    "onceline.desk.middleware.Door",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "onceline.desk.files.Served",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "onceline.desk.people.middleware.Preferences",
    "django.middleware.locale.LocaleMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "onceline.desk.people.middleware.Refusals",
]
ROOT_URLCONF = "onceline.desk.urls"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "onceline.desk.context.page",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "onceline.desk.people.templatetags.desk",
            ],
        },
    }
]
FORM_RENDERER = "onceline.desk.forms.Renderer"

DATABASES = {
    "default": {
        "ENGINE": "onceline.desk.database",
        "NAME": "of the house",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
}
"""For rate limits, which know addresses: in memory alone, never in a database (promise P1)."""

# People -------------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "people.Person"
AUTHENTICATION_BACKENDS = ["onceline.desk.people.backend.OneHash"]
PASSWORD_HASHERS = ["onceline.desk.people.passwords.KeyedBcrypt"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "onceline.desk.people.passwords.LongOrSecondFactor"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "onceline.desk.people.passwords.NotCommon"},
]
PASSWORD_RESET_TIMEOUT = 3 * 3600
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"

SESSION_ENGINE = "onceline.desk.people.sessions"
SESSION_COOKIE_AGE = 14 * 86400
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "onceline.desk.faults.stale_form"
LANGUAGE_COOKIE_AGE = 365 * 86400
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

ACCOUNT_ADAPTER = "onceline.desk.people.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]
ACCOUNT_FORMS = {
    "signup": "onceline.desk.people.forms.SignUp",
    "login": "onceline.desk.people.forms.LogIn",
    "reset_password": "onceline.desk.people.forms.AskReset",
    "reset_password_from_key": "onceline.desk.people.forms.ResetPassword",
    "change_password": "onceline.desk.people.forms.ChangePassword",
    "reauthenticate": "onceline.desk.people.forms.Again",
    "add_email": "onceline.desk.people.forms.ChangeAddress",
}
ACCOUNT_USERNAME_MIN_LENGTH = 3
ACCOUNT_USERNAME_VALIDATORS = "onceline.desk.people.models.USERNAME_VALIDATORS"
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 3
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
"""In the browser that signed up, and in no other."""
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_MAX_EMAIL_ADDRESSES = 2
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_LOGOUT_REDIRECT_URL = "home"
_RATE_LIMITS = {
    "login": "60/m/ip",
    "login_failed": "20/10m/key,100/10m/ip",
    "signup": "30/h/ip",
    "confirm_email": "1/1m/key",
    "reset_password": "20/h/ip,5/h/key",
    "reset_password_from_key": "20/m/ip",
    "change_password": "5/m/user",
    "manage_email": "10/m/user",
    "reauthenticate": "10/m/user",
    "invite": "20/d/key",
}

MFA_ADAPTER = "onceline.desk.people.adapter.MfaAdapter"
MFA_FORMS = {
    "authenticate": "onceline.desk.people.factors.SecondStep",
    "reauthenticate": "onceline.desk.people.factors.SecondStepAgain",
    "activate_totp": "onceline.desk.people.factors.AddApp",
    "add_webauthn": "onceline.desk.people.factors.AddPasskey",
    "edit_webauthn": "onceline.desk.people.factors.RenamePasskey",
    "authenticate_webauthn": "onceline.desk.people.factors.PasskeyStep",
    "reauthenticate_webauthn": "onceline.desk.people.factors.PasskeyAgain",
    "login_webauthn": "onceline.desk.people.factors.PasskeyLogIn",
}
MFA_ALLOW_UNVERIFIED_EMAIL = True
"""A new address that waits to be proven keeps nobody from a second factor; nobody logs in without a proven one."""
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Onceline"
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODE_COUNT = 10

# Languages and times ------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [_HERE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
USE_THOUSAND_SEPARATOR = True
FORMAT_MODULE_PATH = ["onceline.desk.notations"]

# What browsers may do -----------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [_HERE / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
]
STORAGES = {"staticfiles": {"BACKEND": "onceline.desk.files.Versioned"}}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 365 * 86400
"""Every address carries its content's digest (files.Versioned); asked for by another one, nothing is kept (files.Served)."""

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [NONCE],
        "style-src": [SELF],
        "img-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
"""Not no-referrer: browsers send `Origin: null` with it, and the check of forms would refuse them."""
SECURE_PROXY_SSL_HEADER = None
"""The server itself believes X-Forwarded-Proto, and only from ONCELINE_TRUSTED_PROXIES."""

DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
LOGGING_CONFIG = None
SILENCED_SYSTEM_CHECKS: list[str] = []


def decided_by(ours: Settings, secret_key: str) -> dict[str, Any]:
    """The settings that an installation decides. With an https address every cookie is the host's own alone."""
    public = urlsplit(ours.public_url or "")
    secure = public.scheme == "https"
    prefix = "__Host-" if secure else ""
    return {
        "SECRET_KEY": secret_key,
        "ALLOWED_HOSTS": [public.hostname] if public.hostname else ["localhost", "127.0.0.1", "[::1]"],
        "SESSION_COOKIE_NAME": f"{prefix}session",
        "SESSION_COOKIE_SECURE": secure,
        "CSRF_COOKIE_NAME": f"{prefix}csrf",
        "CSRF_COOKIE_SECURE": secure,
        "CSRF_TRUSTED_ORIGINS": [f"https://{public.netloc}"] if secure else [],
        "LANGUAGE_COOKIE_NAME": f"{prefix}language",
        "LANGUAGE_COOKIE_SECURE": secure,
        "SECURE_HSTS_SECONDS": 365 * 86400 if secure else 0,
        "ACCOUNT_DEFAULT_HTTP_PROTOCOL": "https" if secure else "http",
        "ACCOUNT_RATE_LIMITS": _RATE_LIMITS if ours.limits == "on" else False,
        "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": not secure,
    }
