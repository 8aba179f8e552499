"""The way of the data: signed webhooks to marts, one package a layer."""
