"""What the library has to reach, as rows: what, the wanted and the measured value, and whether it holds."""
import dataclasses

import plan
from plan import KIB, publish, receive


@dataclasses.dataclass(frozen=True)
class Target:
    what: str
    wanted: str
    measured: str = "not measured"
    holds: bool | None = None  # None: not measured.


def at_least(what, bound, value, unit=""):
    return _compared(what, "at least", bound, value, unit, lambda: value >= bound)


def at_most(what, bound, value, unit=""):
    return _compared(what, "at most", bound, value, unit, lambda: value <= bound)


def _compared(what, relation, bound, value, unit, holds):
    wanted = f"{relation} {text(bound)}{unit}"
    return Target(what, wanted) if value is None else Target(what, wanted, f"{text(value)}{unit}", holds())


def none(what, value):
    """A table that grows once more, or a batch, may allocate; a message may not."""
    return Target(what, "none") if value is None else Target(what, "none", text(value), value < 0.005)


def text(value):
    if value >= 1e6:
        return f"{value / 1e6:.3g} M"
    if value >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio(a, b):
    return None if a is None or not b else a / b


def all_targets(r):
    """The targets of `r`, a report.Results."""
    return [*publishing(r), *other_transports(r), *receiving(r), *other_ways(r), *latency(r),
            *steady_state(r), *memory(r), *compiling(r), *broker(r)]


def publishing(r):
    def of_limit(what, scenario, bound):
        return at_least(f"{what}: share of the limit", bound, r.share(scenario, plan.PUBLISH))

    def instructions(qos, bound):
        return at_most(f"publish QoS {qos}: instructions", bound,
                       r.count("instructions", publish(qos, size=256), plan.PUBLISH))

    yield of_limit("publish QoS 0, 16 B", publish(0), 0.35)
    for peer in (plan.LIBMOSQUITTO, plan.PAHO_C):
        yield at_least(f"publish QoS 0, 16 B: times {peer.name}", 10, r.times(publish(0), plan.PUBLISH, peer))
    yield instructions(0, 500)
    yield of_limit("publish QoS 1, window 64", publish(1), 0.90)
    yield instructions(1, 900)
    yield of_limit("publish QoS 1, window 65,535", publish(1, window=65535), 0.25)
    wide, narrow = publish(1, window=65535), publish(1, window=1024)
    yield at_most("publish QoS 1: CPU per message at window 65,535, times that at 1,024", 1.2,
                  ratio(r.cpu(wide, plan.PUBLISH), r.cpu(narrow, plan.PUBLISH)))
    narrow, wide = plan.WINDOW_COST
    yield at_most("publish QoS 1: instructions at window 65,535, times those at 1,024", 1.2,
                  ratio(r.count("instructions", wide, plan.PUBLISH), r.count("instructions", narrow, plan.PUBLISH)))
    yield of_limit("publish QoS 2, window 64", publish(2), 0.85)
    yield instructions(2, 1600)
    yield of_limit("publish QoS 1, 16 KiB", publish(1, size=16 * KIB), 0.90)


def other_transports(r):
    """What is left of the transport. The raw one waits in Asio's event loop as ours must."""
    for transport in (plan.TLS, plan.WEBSOCKET, plan.UNIX):
        scenario = publish(1, transport=transport)
        what = f"publish QoS 1, window 64, {plan.NAMES[transport]}: share of {scenario.clients[0].name}"
        yield at_least(what, 0.90, r.share(scenario, plan.PUBLISH))


def receiving(r):
    for qos, rate, instructions in ((0, 10e6, 400), (1, 5e6, 700)):
        scenario = receive(qos)
        yield at_least(f"on_message QoS {qos}, 16 B", rate, r.rate(scenario, plan.ON_MESSAGE), "/s")
        yield at_least(f"on_message QoS {qos}, 16 B: times libmosquitto", 20,
                       r.times(scenario, plan.ON_MESSAGE, plan.RECEIVING_LIBMOSQUITTO))
        yield at_most(f"on_message QoS {qos}: instructions", instructions,
                      r.count("instructions", receive(qos, size=256, window=64), plan.ON_MESSAGE))
        yield at_least(f"async_receive QoS {qos}, 16 B", rate / 3, r.rate(scenario, plan.ASYNC_RECEIVE), "/s")
        yield at_least(f"async_receive QoS {qos}, 16 B: times libmosquitto", 20 / 3,
                       r.times(scenario, plan.ASYNC_RECEIVE, plan.RECEIVING_LIBMOSQUITTO))


def other_ways(r):
    wide = publish(1, window=65535)
    yield at_least("async_publish, callback, window 65,535: share of the limit", 0.08, r.share(wide, plan.CALLBACK))
    yield at_least("async_publish, coroutine, window 65,535: share of the limit", 0.04, r.share(wide, plan.COROUTINE))
    yield at_least("paho-shaped client, publish QoS 0", 1.5e6, r.rate(publish(0), plan.PAHO_SHAPED), "/s")
    yield at_least("paho-shaped client, publish QoS 1, window 65,535", 1.5e6, r.rate(wide, plan.PAHO_SHAPED), "/s")


def latency(r):
    yield at_most("latency p50, times raw Asio", 1.05,
                  ratio(r.latency(plan.OUR_LATENCY, "p50"), r.latency(plan.RAW_ASIO, "p50")))


def steady_state(r):
    """Of QoS 0, 1 and 2 the worst."""
    for direction in ("publish", "receive"):
        scenarios = [s for s in plan.STEADY_STATE if s.direction == direction]
        for client in scenarios[0].clients:
            if not client.is_ours:
                continue

            def worst(name):
                return max((n for s in scenarios if (n := r.count(name, s, client)) is not None), default=None)

            yield none(f"{direction}, {client.name}: allocations per message", worst("allocations"))
            yield at_most(f"{direction}, {client.name}, window 1,024: system calls per message", 0.05, worst("system calls"))


def memory(r):
    for kind in ("5.0", "3.1.1"):
        idle = r.idle.get(kind)
        yield at_most(f"1,000 idle clients, {kind}: KiB each", 8, idle and max(idle.values()))


def compiling(r):
    """The lines of compile_cost.py."""
    for way, bound in (("publisher", 3), ("publisher_compiled", 1.3)):
        yield at_most(f"compile time of the publisher example, {way}: times Asio alone", bound, r.compile_ratio(way))


def broker(r):
    for scenario in plan.BROKER:
        ours = plan.cheapest(scenario)
        limit = scenario.clients[0]
        peers = [rate for c in scenario.clients if not c.is_ours and c is not limit and (rate := r.rate(scenario, c))]
        yield at_least(f"{scenario}: times the best peer", 0.85 if scenario.size >= 16 * KIB else 0.95,
                       ratio(r.rate(scenario, ours), max(peers, default=None)))
        if scenario not in plan.BROKER_INSTRUCTIONS:
            continue
        # The system tells user from system time by ticks; their sum it measures.
        user = at_most(f"{scenario}: user mode, instructions, times the limit's", 1.5,
                       ratio(*(r.count("instructions", scenario, c) for c in (ours, limit))))
        whole = ratio(r.cpu(scenario, ours), r.cpu(scenario, limit))
        yield dataclasses.replace(user, measured=f"{user.measured} (user and system time: {text(whole)})") if whole else user


def stalled(r):
    """Rows of ours that crawl where others run: acknowledgements that wait for each other, above all."""
    return [f"{scenario}: {client.name}, {text(r.rate(scenario, client))}/s"
            for scenario, clients in r.rounds.items()
            for client in clients
            if client.is_ours and r.rate(scenario, client) < 2000 and max(r.rate(scenario, c) for c in clients) > 50 * 2000]
