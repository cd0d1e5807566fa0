import os

from flask import Flask, jsonify, request

app = Flask(__name__)


@app.get("/")
def index():
    return jsonify(user=os.getuid(), files=sorted(os.listdir(".")))


@app.post("/echo")
def echo():
    return jsonify(request.get_json())
