"""Addresses of log-in, sign-up, second factors (allauth's flows, our pages), settings and an account's people."""

from __future__ import annotations

from allauth.account import views as allauth
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.webauthn import views as webauthn
from django.urls import path, re_path

from onceline.desk.people import entry, factors, mydata, notices, team_views, views

_entry = [
    path("login/", allauth.login, name="account_login"),
    path("logout/", entry.LogOutView.as_view(), name="account_logout"),
    path("inactive/", allauth.account_inactive, name="account_inactive"),
    path("signup/", entry.SignUpView.as_view(), name="account_signup"),
    path("reauthenticate/", allauth.reauthenticate, name="account_reauthenticate"),
    path("email/", allauth.email, name="account_email"),
    path("confirm-email/", entry.check_mail, name="account_email_verification_sent"),
    re_path(
        r"^confirm-email/(?P<key>[-:\w]+)/$", entry.ConfirmEmailView.as_view(), name="account_confirm_email"
    ),
    path("join/<slug:key>/", team_views.join, name="join"),
]
_passwords = [
    path("password/change/", allauth.password_change, name="account_change_password"),
    path("password/set/", allauth.password_set, name="account_set_password"),
    path("password/reset/", allauth.password_reset, name="account_reset_password"),
    path("password/reset/done/", allauth.password_reset_done, name="account_reset_password_done"),
    path(
        "password/reset/key/done/",
        allauth.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        allauth.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
]
_factors = [
    path("2fa/authenticate/", mfa.authenticate, name="mfa_authenticate"),
    path("2fa/reauthenticate/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("2fa/totp/activate/", factors.AddAppView.as_view(), name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", factors.RemoveAppView.as_view(), name="mfa_deactivate_totp"),
    path("2fa/recovery-codes/", codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path("2fa/recovery-codes/generate/", codes.generate_recovery_codes, name="mfa_generate_recovery_codes"),
    path("2fa/recovery-codes/download/", codes.download_recovery_codes, name="mfa_download_recovery_codes"),
    path("2fa/passkeys/add/", factors.AddPasskeyView.as_view(), name="mfa_add_webauthn"),
    path(
        "2fa/passkeys/reauthenticate/", webauthn.reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"
    ),
    path("2fa/passkeys/<int:pk>/remove/", factors.RemovePasskeyView.as_view(), name="mfa_remove_webauthn"),
    path("2fa/passkeys/<int:pk>/rename/", webauthn.edit_webauthn, name="mfa_edit_webauthn"),
    path("2fa/passkeys/login/", webauthn.login_webauthn, name="mfa_login_webauthn"),
]
_settings = [
    path("settings/", views.settings, name="settings"),
    path("settings/username/", views.username, name="settings_username"),
    path("settings/appearance/", views.appearance, name="settings_appearance"),
    path("settings/security/", views.security, name="mfa_index"),
    path("settings/security/passkeys/", views.security, name="mfa_list_webauthn"),
    path("settings/security/sessions/rename/", views.rename_session, name="rename_session"),
    path("settings/security/sessions/end/", views.end_session, name="end_session"),
    path("settings/security/sessions/end-others/", views.end_other_sessions, name="end_other_sessions"),
    path("settings/people/", team_views.people, name="settings_people"),
    path("settings/people/invite/", team_views.invite, name="invite"),
    path("settings/people/invitations/<int:pk>/withdraw/", team_views.withdraw, name="withdraw_invitation"),
    path("settings/people/<int:pk>/role/", team_views.choose_role, name="choose_role"),
    path("settings/people/<int:pk>/remove/", team_views.remove, name="remove_person"),
    path("settings/people/leave/", team_views.leave, name="leave_account"),
    path("settings/notices/<mode:mode>/", notices.notices, name="settings_notices"),
    path("settings/notices/<mode:mode>/confirm/", notices.confirm, name="confirm_notices"),
    path("settings/notices/<mode:mode>/forget/", notices.forget, name="forget_notices"),
    path("settings/data/", mydata.my_data, name="settings_data"),
    path("settings/data/person.json", mydata.person_file, name="person_file"),
    path("settings/data/<mode:mode>/export/", mydata.ask_export, name="ask_account_export"),
]
urlpatterns = _entry + _passwords + _factors + _settings
