"""Brokers for the integration and interop tests: private ones, on ports that the system chooses."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import unittest

from programs import EXAMPLES, Failed, Program, accepts, eventually, free_port, npm_install, temporary_directory

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"  # where Debian keeps mosquitto


def find(program):
    found = shutil.which(program, path=PATH)
    if not found:
        raise Failed(f"{program} is not installed")
    return found


class Broker:
    """What all have in common: a directory and a port of their own, and an end."""

    program = None
    port = None
    certificate = key = None  # The files, of a broker that has them.
    schemes = "mqtt", "mqtts"  # Without and with a certificate.
    host, path = "127.0.0.1", ""

    def __init__(self):
        self._temporary = temporary_directory()
        self.directory = pathlib.Path(self._temporary.name)
        self.log_file = self.directory / "broker.log"

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def address(self):
        return f"{self.schemes[self.certificate is not None]}://{self.host}:{self.port}{self.path}"

    def log(self):
        return self.log_file.read_text(errors="backslashreplace") if self.log_file.exists() else ""

    def version(self):
        """As its log has it; empty for one without a version of its own."""
        found = re.search(r"(?:mosquitto version|RabbitMQ|aedes) (\d+(?:\.\d+)+)", self.log())
        return found[1] if found else ""

    def log_lines(self):
        return self.log().splitlines()

    def wait_log(self, text, count=1, limit=60):
        """Waits until `text` stands in the log `count` times."""
        eventually(lambda: self.log().count(text) >= count,
                   lambda: f"{count} times {text!r} in the log of the broker:\n{self.log()[-5000:]}", limit)

    def _start_on_free_port(self, start, limit):
        """Another program may take the port between the choice and the start."""
        for attempt in range(5):
            self.port = free_port()
            if self._start_and_wait(start, limit):
                return
        raise Failed(f"{type(self).__name__} does not start:\n{self.log()[-5000:]}")

    def _start_and_wait(self, start, limit):
        self.program = start()
        eventually(lambda: accepts(self.port) or self.program.process.poll() is not None,
                   lambda: f"{type(self).__name__} listens on {self.port}:\n{self.log()[-5000:]}", limit)
        # Somebody else may have answered there, while ours ends for that reason.
        return self.program.process.poll() is None and self._owns_port()

    def _owns_port(self):
        return True

    def stop(self):
        """Stops it politely, and waits for its end."""
        if self.program:
            self.program.stop(signal.SIGTERM)
            self.program = None

    def kill(self):
        if self.program:
            self.program.kill()
            self.program = None

    def close(self):
        self.stop()
        self._temporary.cleanup()


class Mosquitto(Broker):
    """Keeps sessions on disk over stop() and start(). With `users`, a map to passwords, nobody else may connect."""

    interface = "127.0.0.1"
    environment = None  # Unless it is to have one of its own.

    def __init__(self, users=None, lines=()):
        super().__init__()
        self.lines = list(lines)
        if users:
            self.passwords = self.directory / "passwords"
            self.passwords.touch()
            for user, password in users.items():
                self.set_password(user, password)
            self.lines += ["allow_anonymous false", f"password_file {self.passwords}"]
        else:
            self.lines += ["allow_anonymous true"]

    def set_password(self, user, password):
        """Counts from the next start on."""
        subprocess.run([find("mosquitto_passwd"), "-b", self.passwords, user, password], check=True)

    def start(self):
        """The first time on a free port, then on the same again."""
        if self.port is None:
            return self._start_on_free_port(self._spawn, 30)
        # An outgoing connection of some other program may hold the port for a moment.
        eventually(lambda: self._start_and_wait(self._spawn, 30),
                   lambda: f"mosquitto starts again on {self.port}:\n{self.log()[-5000:]}", 60)

    def _owns_port(self):
        return f" running" in self.log().rsplit("mosquitto version", 1)[-1]

    def _spawn(self):
        config = self.directory / "mosquitto.conf"
        config.write_text("\n".join([
            f"listener {self.port} {self.interface}",
            "user root",  # Started by root it would become another user, who may not write here.
            "persistence true",
            f"persistence_location {self.directory}/",
            "log_type all",
            "connection_messages true",
            *self.lines]) + "\n")
        with open(self.log_file, "ab") as log:
            return _Quiet(find("mosquitto"), "-c", config, log=log, env=self.environment)


class TlsMosquitto(Mosquitto):
    """Proves who it is by a certificate that it has signed itself: `certificate`. `most`, "TLSv1.2": no later version."""

    host = "localhost"

    def __init__(self, most=None, users=None, lines=()):
        super().__init__(users, lines)
        self.certificate, self.key = self_signed(self.directory)
        self.lines += [f"certfile {self.certificate}", f"keyfile {self.key}"]
        if most:
            configuration = self.directory / "openssl.cnf"
            configuration.write_text("openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n"
                                     f"[tls]\nMaxProtocol = {most}\n")
            self.environment = os.environ | {"OPENSSL_CONF": str(configuration)}


def tls_example():
    program = EXAMPLES / "tls_publisher"
    if not program.exists():
        raise unittest.SkipTest("the examples were built without OpenSSL")
    return program


class WebMosquitto(Mosquitto):
    """The same over WebSocket, plain or secure."""

    schemes = "ws", "wss"
    interface = "lo"  # By its name: libwebsockets takes nothing else.

    def __init__(self, is_secure=False, **options):
        super().__init__(**options)
        self.lines.append("protocol websockets")
        if is_secure:
            self.certificate, self.key = self_signed(self.directory)
            self.lines += [f"certfile {self.certificate}", f"keyfile {self.key}"]
        self.lines.append(f"listener 0 {self.directory}/socket")  # It does not start with WebSocket alone.


class _Quiet(Program):
    """A program whose output goes to a file."""

    def __init__(self, *command, log, **popen):
        self.command = [str(part) for part in command]
        self.name = os.path.basename(self.command[0])
        self.out, self.err, self._readers = [], [], []
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **popen)
        Program._running.add(self)


class Embedded(Broker):
    """The broker of the examples. Its log has every packet: "1 -> PINGREQ" came in over connection 1."""

    def __init__(self, *options):
        super().__init__()
        self.options = options

    def start(self):
        self.program = Program(EXAMPLES / "broker", "--port", 0, "--verbose", *self.options)
        self.program.wait_line(lambda line: line.startswith("Listening on "))
        self.port = int(self.program.out[0].split()[2].rpartition(":")[2])
        self._lines = self.program.out

    def log(self):
        return "\n".join(self._lines)


def self_signed(directory):
    """Files with a certificate for this machine and its key."""
    certificate, key = directory / "broker.pem", directory / "broker.key"
    subprocess.run([find("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc",
                    "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return certificate, key


class RabbitMq(Broker):
    """RabbitMQ with its MQTT plugin, all its files and its port mapper (epmd) private. User guest, password guest."""

    plugin = "rabbitmq_mqtt"
    epmd = None
    script = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # Debian's /usr/sbin/rabbitmq-server insists on its own user.

    def start(self):
        if not os.path.exists(self.script):
            raise Failed("rabbitmq-server is not installed")
        self._start_on_free_port(self._spawn, 120)
        eventually(lambda: "Server startup complete" in self.log(),
                   lambda: f"RabbitMQ is up:\n{self.log()[-5000:]}", 120)

    def listener(self):
        return [f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}"]

    def _spawn(self):
        self._stop_epmd()
        directory = self.directory
        (directory / "enabled_plugins").write_text(f"[{self.plugin}].\n")
        (directory / "rabbitmq.conf").write_text("\n".join([
            "listeners.tcp = none",
            *self.listener(),
            "mqtt.allow_anonymous = true",
            "mqtt.default_user = guest",
            "mqtt.default_pass = guest",
            "log.console = true",
            "log.console.level = info",
            "log.file = false"]) + "\n")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RABBITMQ_")}
        epmd_port = str(free_port())
        environment.update({
            "HOME": str(directory),  # of the Erlang cookie
            "ERL_EPMD_PORT": epmd_port,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"inflight{os.getpid()}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(directory / "none.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "none.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(directory / "generated"),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
            # Few schedulers that do not spin: the machine has others to serve.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        })
        with open(self.log_file, "ab") as log:
            # In the foreground and before Erlang looks for it, so that we know its pid and no other one is started.
            self.epmd = _Quiet(find("epmd"), "-port", epmd_port, "-address", "127.0.0.1", log=log, env=environment)
            eventually(lambda: accepts(int(epmd_port)), "epmd listens", 30)
            return _Quiet(self.script, log=log, env=environment, cwd=directory)

    def _stop_epmd(self):
        if self.epmd:
            self.epmd.stop()
            self.epmd = None

    def close(self):
        try:
            self.stop()
            self._stop_epmd()
        finally:
            super().close()


class WebRabbitMq(RabbitMq):
    """The same over WebSocket, plain or secure, and over nothing else."""

    plugin = "rabbitmq_web_mqtt"
    schemes, path = ("ws", "wss"), "/ws"

    def __init__(self, is_secure=False):
        super().__init__()
        if is_secure:
            self.certificate, self.key = self_signed(self.directory)

    def listener(self):
        lines = ["mqtt.listeners.tcp = none", "web_mqtt.ws_path = /ws"]
        if not self.certificate:
            return [*lines, "web_mqtt.tcp.ip = 127.0.0.1", f"web_mqtt.tcp.port = {self.port}"]
        return [*lines, "web_mqtt.tcp.listener = none", "web_mqtt.ssl.ip = 127.0.0.1", f"web_mqtt.ssl.port = {self.port}",
                f"web_mqtt.ssl.cacertfile = {self.certificate}", f"web_mqtt.ssl.certfile = {self.certificate}",
                f"web_mqtt.ssl.keyfile = {self.key}"]


class Missing(unittest.SkipTest):
    """What a test needs is not there, and cannot be installed."""


def install_for_node(directory, script, *packages):
    """npm packages and `script`, which needs them, in one directory."""
    missing = npm_install(directory, *packages)
    if missing:
        raise Missing(missing)
    shutil.copy(script, directory)


def npm_mqtt(test_case, script):
    """A directory with the npm package mqtt, a client for Node.js, and `script`; for setUpClass."""
    directory = test_case.enterClassContext(temporary_directory())
    install_for_node(directory, script, "mqtt@5.10.4")
    return directory


class Aedes(Broker):
    """aedes, a broker for Node.js, which npm installs. Not durable; speaks 3.1.1 only."""

    package = "aedes 0.51.3"
    script = pathlib.Path(__file__).parents[1] / "interop/aedes_broker.js"

    def start(self, *packages_besides, arguments=()):
        install_for_node(self.directory, self.script, self.package.replace(" ", "@"), *packages_besides)
        self.program = Program("node", self.script.name, *arguments, cwd=self.directory)
        self.program.wait_line(lambda line: line.startswith("port "))
        self.port = int(self.program.out[0].split()[1])

    def log(self):
        return self.package


class WebAedes(Aedes):
    """The same over WebSocket, plain or secure, with the npm package ws."""

    schemes = "ws", "wss"  # Its path is the default, /mqtt.

    def __init__(self, is_secure=False):
        super().__init__()
        if is_secure:
            self.certificate, self.key = self_signed(self.directory)

    def start(self):
        super().start("ws@8.18.0", arguments=["wss", self.certificate, self.key] if self.certificate else ["ws"])
