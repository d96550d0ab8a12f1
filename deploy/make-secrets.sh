#!/bin/sh
# Makes the secrets that deploy/compose.yml mounts, once: random, in deploy/secrets/, which is not in version control.
# Existing files are kept. smtp_url is left empty: write your mail server's address into it (.env.example, PNE_SMTP_URL).
set -eu
folder="${1:-$(dirname "$0")/secrets}"
umask 077
mkdir -p "$folder"
random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
keep() { [ -e "$folder/$1" ] || { printf '%s' "$2" > "$folder/$1"; echo "made $folder/$1"; }; }
keep postgres_password "$(random)"
password="$(cat "$folder/postgres_password")"
keep database_url "postgresql://pne:$password@postgres:5432/pne"
keep rasa_secret "$(random)"
keep secret_key "$(random)"
keep metrics_token "$(random)"
keep smtp_url ""
# The folder is closed to others; inside containers the files are read by users that are not root.
chmod 444 "$folder"/*
