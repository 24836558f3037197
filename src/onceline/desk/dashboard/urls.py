"""Addresses of the dashboard, each under test/ or live/."""

from __future__ import annotations

from django.urls import path, register_converter

from onceline.desk.dashboard import (
    balance,
    changes,
    developers,
    exports,
    history,
    keys,
    live,
    notifications,
    views,
    webhook,
    webhooks,
)
from onceline.desk.dashboard.modes import OrderIdConverter

register_converter(OrderIdConverter, "order")

urlpatterns = [
    path("", views.order, name="order"),
    path("rentals/", views.rentals, name="rentals"),
    path("offers", views.offer_list, name="offers"),
    path("services", views.service_list, name="services"),
    path("favourites", views.favourite, name="favourite"),
    path("ticket", live.ticket, name="ticket"),
    path("figures", live.figures, name="figures"),
    path("orders/new", views.place, name="place"),
    path("orders/live", live.live_orders, name="live"),
    path("orders/<order:order_id>/", live.order_detail, name="order_detail"),
    path("orders/<order:order_id>/card", live.card, name="card"),
    path("orders/<order:order_id>/cancel", changes.cancel, name="cancel"),
    path("orders/<order:order_id>/finish", changes.finish, name="finish"),
    path("orders/<order:order_id>/resend", changes.resend, name="resend"),
    path("orders/<order:order_id>/extend", changes.extend, name="extend"),
    path("orders/<order:order_id>/auto-extend", changes.auto_extend, name="auto_extend"),
    path("orders/<order:order_id>/sms", changes.send_test_message, name="send_test_message"),
    path("history/", history.history, name="history"),
    path("history/messages/", history.messages, name="messages"),
    path("balance/", balance.balance, name="balance"),
    path("balance/test-money/", balance.add_test_money, name="add_test_money"),
    path("keys/", keys.keys, name="keys"),
    path("keys/new/", keys.create_key, name="create_key"),
    path("keys/<slug:key>/rotate/", keys.rotate_key, name="rotate_key"),
    path("keys/<slug:key>/revoke/", keys.revoke_key, name="revoke_key"),
    path("webhooks/", webhooks.webhooks, name="webhooks"),
    path("webhooks/new/", webhooks.create_webhook, name="create_webhook"),
    path("webhooks/<slug:webhook>/", webhook.webhook, name="webhook"),
    path("webhooks/<slug:webhook>/change/", webhooks.edit_webhook, name="edit_webhook"),
    path("webhooks/<slug:webhook>/switch/", webhooks.switch_webhook, name="switch_webhook"),
    path("webhooks/<slug:webhook>/delete/", webhooks.delete_webhook, name="delete_webhook"),
    path("webhooks/<slug:webhook>/secrets/add/", webhook.add_secret, name="add_secret"),
    path("webhooks/<slug:webhook>/secrets/reveal/", webhook.reveal_secrets, name="reveal_secrets"),
    path("webhooks/<slug:webhook>/test/", webhook.test_webhook, name="test_webhook"),
    path("webhooks/<slug:webhook>/replay/", webhook.replay_failed, name="replay_failed"),
    path("webhooks/<slug:webhook>/deliveries/<slug:event>/", webhook.delivery, name="delivery"),
    path(
        "webhooks/<slug:webhook>/deliveries/<slug:event>/replay/",
        webhook.replay_delivery,
        name="replay_delivery",
    ),
    path("exports/", exports.exports, name="exports"),
    path("exports/ask/", exports.ask_export, name="ask_export"),
    path("exports/<slug:export>/row/", exports.export_row, name="export_row"),
    path("exports/<slug:export>/file/", exports.fetch_export, name="fetch_export"),
    path("exports/<slug:export>/link/", exports.link_export, name="link_export"),
    path("exports/<slug:export>/delete/", exports.delete_export, name="delete_export"),
    path("notifications/", notifications.notifications, name="notifications"),
    path("notifications/read/", notifications.read_notifications, name="read_notifications"),
    path("developers/", developers.developers, name="developers"),
    path("developers/key/", developers.create_first_key, name="create_first_key"),
]
