// Publishes, shows each step of connecting, and what a client counts meanwhile: try it with a broker that
// comes and goes.
#include <inflight/client.hpp>

#include "arguments.hpp"

#include <iomanip>
#include <semaphore>

namespace {

std::ostream& operator<<(std::ostream& out, const inflight::round_trip& time) {
    if (time.samples == 0) return out << "not known yet";
    const auto ms = [](std::chrono::nanoseconds t) { return static_cast<double>(t.count()) / 1e6; };
    return out << std::fixed << std::setprecision(3) << ms(time.last) << " ms (smoothed " << ms(time.smoothed)
               << ", least " << ms(time.least) << ')';
}

void show(const inflight::client_statistics& s) {
    std::cout << "sent " << s.messages_sent << " (again " << s.messages_resent << "), "
              << s.bytes_sent << " bytes; received " << s.messages_received << ", " << s.bytes_received
              << " bytes\n"
              << "in flight " << s.in_flight << ", waiting " << s.waiting << ", " << s.bytes
              << " bytes held\n"
              << "connections " << s.connections << ", failed attempts " << s.failed_attempts << "\n"
              << "refused " << s.refused << ", rejected " << s.rejected << ", dropped " << s.dropped
              << ", expired " << s.expired << "\n"
              << "acknowledged in " << s.acknowledgement << std::endl;
}

} // namespace

int main(int argc, char** argv) {
    arguments args(argc, argv, "publishes, and shows what a client counts");
    args.options.on_connection_event = [](const inflight::connection_event& event) {
        std::cout << print(event) << std::endl;
    };
    inflight::client client(args.options);
    std::counting_semaphore<> interrupted(0);
    const on_interrupt leave([&] {
        interrupted.release();
        client.disconnect_async();
    });

    client.loop_start();
    if (const auto error = client.connect(args.host, args.port, std::chrono::seconds(60), args.retry)) {
        const bool is_hopeless = error == inflight::error_condition::fatal;
        std::cerr << "Cannot connect to " << args.where() << ": " << error.message()
                  << (is_hopeless ? ", which no repetition will cure" : "; try again, or --retry")
                  << std::endl;
        return EXIT_FAILURE;
    }
    const std::chrono::duration<double> interval(args.interval < 0 ? 0.5 : args.interval);
    for (int i = 0; i != (args.count == 0 ? 10 : args.count) && !interrupted.try_acquire_for(interval); ++i) {
        const auto sent = client.publish(args.topic, "reading " + std::to_string(i), args.qos);
        if (!sent) std::cerr << "Not accepted: " << name(sent.status) << std::endl;
        if (i % 10 == 9) show(client.statistics());
    }
    const auto end = client.disconnect();
    show(client.statistics());
    if (end.unacknowledged == 0) return EXIT_SUCCESS;
    std::cerr << end.unacknowledged << " messages were not acknowledged" << std::endl;
    return EXIT_FAILURE;
}
