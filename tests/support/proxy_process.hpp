// Proxies of the test's own, which let nobody in but this machine.
#pragma once

#include "server_process.hpp"

/// HTTP. More lines of its configuration: "BasicAuth user password", "ConnectPort 443".
class tinyproxy_process final : public server_process {
public:
    explicit tinyproxy_process(std::string more_config = {}) : server_process("tinyproxy"), more_config_(std::move(more_config)) {
        start_first();
    }

private:
    std::vector<std::string> prepare() const override {
        const std::string conf = (directory() / "conf").string();
        std::ofstream(conf) << "Port " << port() << "\nListen 127.0.0.1\nAllow 127.0.0.1\n"
                            << "Timeout 600\nMaxClients 100\nLogLevel Info\n"
                            << more_config_ << '\n';
        return {"-d", "-c", conf};
    }

    std::string more_config_;
};

/// SOCKS5. Without a user it wants none.
class microsocks_process final : public server_process {
public:
    explicit microsocks_process(std::string user = {}, std::string password = {})
        : server_process("microsocks"), user_(std::move(user)), password_(std::move(password)) {
        start_first();
    }

private:
    std::vector<std::string> prepare() const override {
        std::vector<std::string> words{"-i", "127.0.0.1", "-p", std::to_string(port())};
        if (!user_.empty()) words.insert(words.end(), {"-u", user_, "-P", password_});
        return words;
    }

    std::string user_, password_;
};
