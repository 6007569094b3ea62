"""What is measured: the clients, and the scenarios they are put through."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Client:
    name: str
    program: str  # benchmark_PROGRAM
    way: str
    is_ours: bool = False


LIMIT = Client("limit", "limit", "publish")
PUBLISH = Client("publish()", "async_client", "publish", True)
CALLBACK = Client("async_publish, callback", "async_client", "callback", True)
COROUTINE = Client("async_publish, coroutine", "async_client", "coroutine", True)
PAHO_SHAPED = Client("paho-shaped client", "client", "publish", True)
LIBMOSQUITTO = Client("libmosquitto", "mosquitto", "publish")
PAHO_C = Client("Paho C", "paho", "publish")
PUBLISHERS = (LIMIT, PUBLISH, CALLBACK, COROUTINE, PAHO_SHAPED, LIBMOSQUITTO, PAHO_C)

PUBLISHING_RAW_ASIO = Client("raw Asio", "asio", "publish")
RAW_ASIO_SSL = Client("raw asio::ssl", "asio_ssl", "publish")
PAHO_C_SSL = Client("Paho C, with OpenSSL", "paho_ssl", "publish")
TCP, TLS, WEBSOCKET, UNIX = "tcp", "tls", "websocket", "unix"  # As the programs take them.
PUBLISHERS_OVER = {  # The first is what the others are a share of.
    TCP: PUBLISHERS,
    TLS: (RAW_ASIO_SSL, PUBLISH, CALLBACK, PAHO_SHAPED, LIBMOSQUITTO, PAHO_C_SSL),
    WEBSOCKET: (PUBLISHING_RAW_ASIO, LIMIT, PUBLISH, CALLBACK, PAHO_SHAPED, PAHO_C_SSL),
    UNIX: (PUBLISHING_RAW_ASIO, LIMIT, PUBLISH, CALLBACK, PAHO_SHAPED, LIBMOSQUITTO),
}
NAMES = {TCP: "TCP", TLS: "TLS", WEBSOCKET: "WebSocket", UNIX: "Unix socket"}

RECEIVING_LIMIT = Client("limit", "limit", "receive")
ON_MESSAGE = Client("on_message", "async_client", "on_message", True)
ASYNC_RECEIVE = Client("async_receive", "async_client", "receive", True)
RECEIVING_PAHO_SHAPED = Client("paho-shaped client", "client", "receive", True)
RECEIVING_LIBMOSQUITTO = Client("libmosquitto", "mosquitto", "receive")
RECEIVING_PAHO_C = Client("Paho C", "paho", "receive")
RECEIVERS = (RECEIVING_LIMIT, ON_MESSAGE, ASYNC_RECEIVE, RECEIVING_PAHO_SHAPED, RECEIVING_LIBMOSQUITTO, RECEIVING_PAHO_C)

RAW_ASIO = Client("raw Asio", "asio", "latency")
LATENCIES = (Client("limit", "limit", "latency"), RAW_ASIO, Client("async_publish, callback", "async_client", "latency", True),
             Client("libmosquitto", "mosquitto", "latency"), Client("Paho C", "paho", "latency"))
OUR_LATENCY = LATENCIES[2]
PEERS = (*PUBLISHERS[-2:], PAHO_C_SSL, *RECEIVERS[-2:], *LATENCIES[-2:])

IDLE = ("bare", "5.0", "3.1.1")  # Kinds of idle_clients.

SINK, MOSQUITTO, MOSQUITTO_NODELAY = "sink", "Mosquitto", "Mosquitto, set_tcp_nodelay"
KIB = 1024


@dataclasses.dataclass(frozen=True)
class Scenario:
    direction: str
    qos: int
    size: int = 16
    window: int = 64
    version: str = "5.0"
    server: str = SINK
    transport: str = TCP

    def __str__(self):
        size = f"{self.size // KIB} KiB" if self.size >= KIB else f"{self.size} B"
        window = f", window {self.window:,}" if self.qos else ""
        over = "" if self.transport == TCP else f" over {NAMES[self.transport]}"
        return f"{self.direction} QoS {self.qos}, {size}{window}, MQTT {self.version}, {self.server}{over}"

    @property
    def clients(self):
        return PUBLISHERS_OVER[self.transport] if self.direction == "publish" else RECEIVERS


def cheapest(scenario):
    """Of our ways the one that asks the least of the client."""
    return PUBLISH if scenario.direction == "publish" else ON_MESSAGE


def publish(qos, window=64, **rest):
    return Scenario("publish", qos, window=window if qos else 64, **rest)  # QoS 0 knows no window.


def receive(qos, window=65535, **rest):
    return Scenario("receive", qos, window=window if qos else 64, **rest)


WINDOWS = (64, 1024, 65535)

THROUGHPUT = [
    publish(0),
    *(publish(qos, window=window) for qos in (1, 2) for window in WINDOWS),
    *(publish(qos, size=256) for qos in (0, 1, 2)),
    publish(1, size=256, window=1024),
    publish(1, size=256, window=65535),
    *(publish(qos, size=16 * KIB) for qos in (0, 1, 2)),
    publish(1, size=16 * KIB, window=1024),
    *(publish(qos, version="3.1.1") for qos in (0, 1, 2)),
    publish(1, window=65535, version="3.1.1"),
    *(receive(qos) for qos in (0, 1, 2)),
    receive(1, window=64),
    receive(1, window=1024),
    *(receive(qos, size=256) for qos in (0, 1, 2)),
    *(receive(qos, size=16 * KIB, window=64) for qos in (0, 1, 2)),
    *(receive(qos, version="3.1.1") for qos in (0, 1, 2)),
]
OTHER_TRANSPORTS = [publish(1, size=size, transport=transport) for transport in (TLS, WEBSOCKET, UNIX) for size in (16, 16 * KIB)]
BROKER = [
    scenario
    for server in (MOSQUITTO, MOSQUITTO_NODELAY)
    for scenario in (
        *(publish(qos, server=server) for qos in (0, 1, 2)),
        publish(1, window=1024, server=server),
        publish(1, size=16 * KIB, server=server),
        *(receive(qos, window=1024, server=server) for qos in (0, 1, 2)),
        receive(1, size=16 * KIB, window=64, server=server),
    )
]
INSTRUCTIONS = [*(publish(qos, size=256) for qos in (0, 1, 2)), *(receive(qos, size=256, window=64) for qos in (0, 1, 2))]
TRANSPORT_INSTRUCTIONS = [publish(1, size=256, transport=transport) for transport in (TLS, WEBSOCKET, UNIX)]
# The server makes no difference to what a client does for a message, so one of both is enough.
BROKER_INSTRUCTIONS = [s for s in BROKER if s.server == MOSQUITTO_NODELAY]
# What the cost of a window is; our cheapest way is enough.
WINDOW_COST = [publish(1, size=256, window=window) for window in (1024, 65535)]
STEADY_STATE = [*(publish(qos, window=1024) for qos in (0, 1, 2)), *(receive(qos, window=1024) for qos in (0, 1, 2))]

# For every day: what a target speaks of, without what takes long.
SHORT = {
    publish(0): (LIMIT, PUBLISH, CALLBACK, PAHO_SHAPED, LIBMOSQUITTO),
    publish(1): (LIMIT, PUBLISH, CALLBACK, LIBMOSQUITTO),
    publish(1, window=1024): (LIMIT, PUBLISH),
    publish(1, window=65535): (LIMIT, PUBLISH, CALLBACK, COROUTINE, PAHO_SHAPED),
    publish(2): (LIMIT, PUBLISH, LIBMOSQUITTO),
    publish(1, size=16 * KIB): (LIMIT, PUBLISH, LIBMOSQUITTO),
    receive(0): (RECEIVING_LIMIT, ON_MESSAGE, ASYNC_RECEIVE, RECEIVING_LIBMOSQUITTO),
    receive(1): (RECEIVING_LIMIT, ON_MESSAGE, ASYNC_RECEIVE, RECEIVING_LIBMOSQUITTO),
    publish(1, server=MOSQUITTO_NODELAY): (LIMIT, PUBLISH, LIBMOSQUITTO),
    publish(1, transport=TLS): (RAW_ASIO_SSL, PUBLISH),
    publish(1, transport=WEBSOCKET): (PUBLISHING_RAW_ASIO, PUBLISH),
    publish(1, transport=UNIX): (PUBLISHING_RAW_ASIO, PUBLISH),
}
SHORT_COUNTS = (PUBLISH, ON_MESSAGE)  # Whose instructions, system calls and allocations are counted every day.
