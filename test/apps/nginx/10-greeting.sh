#!/bin/sh
set -e
echo "hello ${GREETED:-world}" >/usr/share/nginx/html/greeting.txt
