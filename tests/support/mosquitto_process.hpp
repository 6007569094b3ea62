// A Mosquitto of the test's own. It has no limits, and keeps sessions over a restart.
#pragma once

#include "server_process.hpp"

class mosquitto_process final : public server_process {
public:
    explicit mosquitto_process(std::string more_config = {}) : server_process("mosquitto"), more_config_(std::move(more_config)) {
        start_first();
    }

    static bool is_installed() { return server_process::is_installed("mosquitto"); }

private:
    std::vector<std::string> prepare() const override {
        const std::string conf = (directory() / "conf").string();
        std::ofstream(conf) << "listener " << port() << " 127.0.0.1\n"
                            << "user root\n" // Another user could not write here.
                            << "allow_anonymous true\n"
                            << "max_inflight_messages 0\nmax_queued_messages 0\n"
                            << "persistence true\npersistence_location " << directory().string() << "/\n"
                            << "autosave_interval 1\n"
                            << "log_type error\nlog_type warning\nlog_type notice\n"
                            << more_config_ << '\n';
        return {"-c", conf};
    }

    std::string more_config_;
};
