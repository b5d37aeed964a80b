"""A node on Debian's python3-h2: few streams at a time, each connection for a few requests only, every answer a little late.

With a third argument it wants every request over HTTP/1.1, and answers there if that is "both"."""

import socket
import sys
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
from h2.settings import SettingCodes, Settings

STREAMS, REQUESTS = int(sys.argv[1]), int(sys.argv[2])
WANTS_HTTP1 = sys.argv[3] if len(sys.argv) > 3 else None


def serve(client):
    lock = threading.Lock()
    conn = h2.connection.H2Connection(config=h2.config.H2Configuration(client_side=False))
    conn.local_settings = Settings(client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS})
    bodies, begun, last, left = {}, 0, 0, 0

    def flush():
        client.sendall(conn.data_to_send())

    def answer(stream, text):
        nonlocal left
        time.sleep(0.02)
        with lock:
            left += 1
            conn.send_headers(stream, [(":status", "200"), ("x-node", "n1"), ("content-length", str(len(text)))])
            conn.send_data(stream, text, end_stream=True)
            if left == REQUESTS:
                conn.close_connection(last_stream_id=last)
            flush()
            if left == REQUESTS:
                client.shutdown(socket.SHUT_WR)

    with lock:
        conn.initiate_connection()
        flush()
    while data := client.recv(65536):
        with lock:
            if left == REQUESTS:
                continue  # what comes now was not worked on, as it was told
            for event in conn.receive_data(data):
                if WANTS_HTTP1:
                    if isinstance(event, h2.events.RequestReceived):
                        conn.reset_stream(event.stream_id, h2.errors.ErrorCodes.HTTP_1_1_REQUIRED)
                elif isinstance(event, h2.events.RequestReceived):
                    begun += 1
                    bodies[event.stream_id] = 0
                    if begun <= REQUESTS:
                        last = event.stream_id
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += len(event.data)
                    conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded) and event.stream_id <= last:
                    text = b"body of %d" % bodies.pop(event.stream_id)
                    threading.Thread(target=answer, args=(event.stream_id, text), daemon=True).start()
            flush()


def serve_http1(client):
    reader = client.makefile("rb")
    while line := reader.readline():
        length = 0
        while (header := reader.readline()) not in (b"\r\n", b""):
            name, value = header.lower().split(b":", 1)
            length = int(value) if name == b"content-length" else length
        text = b"%s with %d" % (line.split()[2], len(reader.read(length)))
        client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text))


def guarded(client):
    try:
        if WANTS_HTTP1 == "both" and client.recv(3, socket.MSG_PEEK) != b"PRI":
            serve_http1(client)
        else:
            serve(client)
    except OSError:
        pass


with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=guarded, args=(server.accept()[0],), daemon=True).start()
