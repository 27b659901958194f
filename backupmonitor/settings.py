"""Django's settings, each from the environment: docs/settings.md is its documentation.

The real environment beats the file `.env` beside manage.py. Here a text becomes a value; whether
the value makes sense is proven by `scanner/checks.py` at the start of every command.
"""

import os
from datetime import timedelta
from pathlib import Path

import django

from backupmonitor.environment import Environment
from backupmonitor.mail import LOG_BACKEND, bounded, mailer
from backupmonitor.secret_key import persistent_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = Environment(BASE_DIR / ".env")

# --- The site -------------------------------------------------------------------------------------

DEBUG = env.boolean("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY") or persistent_secret_key(VAR_DIR / "secret_key")
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
TRUSTED_PROXIES = env.items("TRUSTED_PROXIES")
SITE_URL = env.text("SITE_URL", "http://127.0.0.1:8000").rstrip("/")

# Plain http on this machine has to work, so it is the public address that says whether a browser
# may send the cookies over https only.
_https = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = _https
CSRF_COOKIE_SECURE = _https
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "scanner.admin.refused.unproven"
CSRF_TRUSTED_ORIGINS = [SITE_URL] if _https else []
SECURE_HSTS_SECONDS = env.integer("HSTS_DAYS", 30 if _https else 0) * 24 * 60 * 60

ROOT_URLCONF = "backupmonitor.urls"
WSGI_APPLICATION = "backupmonitor.wsgi.application"
ASGI_APPLICATION = "backupmonitor.asgi.application"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    # Before django.contrib.admin, whose templates it replaces.
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "django_apscheduler",
    "scanner",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "backupmonitor.headers.security_headers",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Last: it turns a login that is locked into the page that says so.
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before those of the apps: they extend templates of unfold under the same names.
        "DIRS": [BASE_DIR / "scanner" / "templates" / "overrides"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Logging in -----------------------------------------------------------------------------------

SESSION_HOURS = env.integer("SESSION_HOURS", 12)
SESSION_COOKIE_AGE = SESSION_HOURS * 60 * 60
LOGIN_FAILURES = env.integer("LOGIN_FAILURES", 5)
LOGIN_LOCK_MINUTES = env.integer("LOGIN_LOCK_MINUTES", 15)

AUTHENTICATION_BACKENDS = [
    # First: it lets nobody try a password who has failed too often.
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": f"django.contrib.auth.password_validation.{name}",
        "OPTIONS": options,
    }
    for name, options in (
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]

AXES_FAILURE_LIMIT = LOGIN_FAILURES
AXES_COOLOFF_TIME = timedelta(minutes=LOGIN_LOCK_MINUTES)
# A name from one address: an office behind one address is not locked out by one of it, nor
# somebody by whoever guesses at their password from elsewhere. The handler has a second limit, for
# whoever tries many names.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_HANDLER = "scanner.login_guard.LoginGuard"
AXES_CLIENT_IP_CALLABLE = "scanner.login_guard.counted_address_of"
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "scanner.admin.login_failure.locked_out"
AXES_DISABLE_ACCESS_LOG = True  # it would grow for ever
AXES_ENABLE_ADMIN = False  # scanner/admin/login_failure.py
AXES_VERBOSE = False

# --- The database ---------------------------------------------------------------------------------

_SQLITE = "django.db.backends.sqlite3"
_database = env.database("DATABASE_URL") or {"ENGINE": _SQLITE, "NAME": VAR_DIR / "db.sqlite3"}
if _database["ENGINE"] == _SQLITE:
    # Web, scheduler and scan write at once. Without all three, writers fail with "database is
    # locked": a log beside the file, the lock taken when a transaction begins, and patience.
    # NORMAL in place of FULL may lose, at a power cut, a commit whose report is already archived.
    _database["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
    } | _database.get("OPTIONS", {})
    if _database["NAME"] != ":memory:":
        _database["NAME"] = str(BASE_DIR / _database["NAME"])
        if Path(_database["NAME"]).parent == VAR_DIR:
            VAR_DIR.mkdir(exist_ok=True)
else:
    _database["CONN_MAX_AGE"] = 60
    _database["CONN_HEALTH_CHECKS"] = True
    # Without these, a thread hangs for minutes when the network to the server drops everything.
    _database["OPTIONS"] = {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    } | _database.get("OPTIONS", {})
DATABASES = {"default": _database}

# --- The scan -------------------------------------------------------------------------------------

BACKUP_STORAGE_ROOT = env.path("BACKUP_STORAGE_ROOT", VAR_DIR / "deposits", BASE_DIR)
VALIDATED_BACKUPS_BASE_PATH = env.path(
    "VALIDATED_BACKUPS_BASE_PATH", VAR_DIR / "validated", BASE_DIR
)
SCANNER_INTERVAL_MINUTES = env.integer("SCANNER_INTERVAL_MINUTES", 15)
MISFIRE_GRACE_TIME = env.integer("MISFIRE_GRACE_TIME", 60)
REPORT_COLLECTION_WINDOW_MINUTES = env.integer("REPORT_COLLECTION_WINDOW_MINUTES", 60)
AGENT_TIME_ZONE = env.text("AGENT_TIME_ZONE", "UTC")
REPORT_SETTLE_SECONDS = env.integer("REPORT_SETTLE_SECONDS", 60)
SCAN_WORKERS = env.integer("SCAN_WORKERS", os.cpu_count() or 1)
VERIFY_LEVEL = env.text("VERIFY_LEVEL", "content").lower()
AUTO_REGISTER = env.text("AUTO_REGISTER", "inactive").lower()

# --- What is kept: days, 0 is for ever ------------------------------------------------------------

KEEP_EXECUTIONS_DAYS = env.integer("KEEP_EXECUTIONS_DAYS", 30)
KEEP_RUNS_DAYS = env.integer("KEEP_RUNS_DAYS", 90)
KEEP_ARCHIVED_REPORTS_DAYS = env.integer("KEEP_ARCHIVED_REPORTS_DAYS", 365)

# --- The vault ------------------------------------------------------------------------------------

VAULT_RESERVE_MIB = env.integer("VAULT_RESERVE_MIB", 1024)
VAULT_KEEP_LAST = env.integer("VAULT_KEEP_LAST", 0)
VAULT_KEEP_DAILY = env.integer("VAULT_KEEP_DAILY", 0)
VAULT_KEEP_WEEKLY = env.integer("VAULT_KEEP_WEEKLY", 0)
VAULT_KEEP_MONTHLY = env.integer("VAULT_KEEP_MONTHLY", 0)
VAULT_KEEP_YEARLY = env.integer("VAULT_KEEP_YEARLY", 0)
VAULT_AUDIT_MINUTES = env.integer("VAULT_AUDIT_MINUTES", 30)
VAULT_AUDIT_GIB = env.integer("VAULT_AUDIT_GIB", 0)
SQLITE_CHECK_MAX_MIB = env.integer("SQLITE_CHECK_MAX_MIB", 256)

# --- Restore drills -------------------------------------------------------------------------------

RESTORE_DRILL_MINUTES = env.integer("RESTORE_DRILL_MINUTES", 60)
RESTORE_DRILL_TIMEOUT_MINUTES = env.integer("RESTORE_DRILL_TIMEOUT_MINUTES", 60)
RESTORE_DRILL_MAX_GIB = env.integer("RESTORE_DRILL_MAX_GIB", 50)
RESTORE_DRILL_POSTGRES_URL = env.text("RESTORE_DRILL_POSTGRES_URL")
RESTORE_DRILL_MYSQL_URL = env.text("RESTORE_DRILL_MYSQL_URL")

# --- Mail and alerts ------------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "backupmonitor@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
ADMIN_EMAIL_RECIPIENTS = env.items("ADMIN_EMAIL_RECIPIENTS")
HEARTBEAT_URL = env.text("HEARTBEAT_URL")
ALERT_ALLOW_PRIVATE = env.boolean("ALERT_ALLOW_PRIVATE", default=False)

_mail = bounded(env.mail("EMAIL_URL") or {"EMAIL_BACKEND": LOG_BACKEND})
if django.VERSION >= (6, 1):
    MAILERS = {"default": mailer(_mail)}
else:
    globals().update({name: value for name, value in _mail.items() if name.startswith("EMAIL_")})

# --- Language and time ----------------------------------------------------------------------------

LANGUAGES = [("en", "English"), ("fr", "Français")]
LANGUAGE_CODE = env.choice("LANGUAGE_CODE", "en", [code for code, _ in LANGUAGES])
USE_I18N = True
# What is named here goes before the words of the apps: ours before Django's. unfold brings no
# languages; its words in French are in the second.
LOCALE_PATHS = [BASE_DIR / "scanner" / "locale", BASE_DIR / "backupmonitor" / "locale"]
# The choice made with the switch on each page; as guarded as the session's cookie.
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
LANGUAGE_COOKIE_SECURE = _https
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_TZ = True
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")

# --- Static files ---------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- The admin's look -----------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "backupmonitor",
    "SITE_HEADER": "backupmonitor",
    "SITE_SYMBOL": "database",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "scanner.admin.navigation.favicon"},
    ],
    "STYLES": ["scanner.admin.navigation.palette", "scanner.admin.navigation.stylesheet"],
    "COLORS": "scanner.admin.navigation.no_inline_colors",
    "DASHBOARD_CALLBACK": "scanner.admin.index.board",
    "SIDEBAR": {"navigation": "scanner.admin.navigation.sidebar"},
}

# --- The log --------------------------------------------------------------------------------------

LOG_FORMAT = env.choice("LOG_FORMAT", "text", ["text", "json"])
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "scanner.logs.TextFormatter"},
        "json": {"()": "scanner.logs.JsonFormatter"},
    },
    "handlers": {
        "stderr": {"()": "scanner.logs.StderrHandler", "formatter": LOG_FORMAT},
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # Django's own handlers would print some records twice and mail others.
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        # It tells of each start and end of a run, as the scan does in better words.
        "apscheduler": {"level": "DEBUG" if LOG_LEVEL == "DEBUG" else "WARNING"},
    },
}
