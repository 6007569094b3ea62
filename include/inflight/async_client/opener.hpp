// inflight/async_client/opener.hpp - makes one transport after the other, with the layers that the broker's
// address asks for.
#pragma once

#include <inflight/async_client/layer_factory.hpp>
#include <inflight/async_client/login.hpp>

namespace inflight::detail {

template <class Transport, session_store Store, class Mutex>
class opener : public login<Transport, Store, Mutex> {
    using base = login<Transport, Store, Mutex>;

public:
    using typename base::clock;
    using typename base::lock_type;
    using typename base::timer;

    using base::base;

    /// Changes what transports are made by, with the next connection: `change` gets the options.
    template <class F>
    void with_transport_options(F change) {
        const lock_type lock(this->mutex_);
        change(this->options_);
        layers_.reset();
    }

protected:
    using transport_ptr = std::shared_ptr<Transport>;

    // What is left to the supervisor, with the lock held. There is a transport if there is no error.
    virtual void on_open(std::error_code error, transport_ptr t, std::string details) = 0;

    /// A host that is not reached is begun with at another of its addresses: the nth.
    void open(const broker& where, std::size_t first_address) {
        ++number_;
        if (!has_layers || !layer_factory::is_needed(where, this->options_))
            return open(where, where, {.first_address = first_address});
        if (!layers_) layers_ = std::make_shared<layer_factory>(this->options_);
        this->post([this, makes = layers_, where, first_address, number = number_] {
            opening how{.first_address = first_address};
            std::string details;
            const std::error_code error = makes->make(where, how.layers, details); // It may read files.
            const lock_type l(this->mutex_);
            if (number != number_) return;
            if (error) on_open(error, nullptr, std::move(details));
            else open(makes->next_hop(where), where, std::move(how));
        });
    }

    /// What is under way is forgotten: its handlers may come late, or, of a resolver that hangs, never.
    void stop_opening() {
        ++number_;
        if (opening_) std::exchange(opening_, nullptr)->close();
    }

    void tell(connection_event e) {
        if (!this->options_.on_connection_event) return;
        e.time = clock::now();
        this->call(this->options_.on_connection_event, std::move(e));
    }

    static std::string details_of(const Transport& t) {
        if constexpr (requires { t.details(); }) return t.details();
        else return {};
    }

private:
    // Transports without layers know by themselves what a broker's address asks for.
    static constexpr bool has_layers = requires { Transport::has_layers; };

    void open(const broker& hop, const broker& where, opening how) {
        const auto self = std::static_pointer_cast<opener>(this->shared_from_this());
        how.address_delay = this->options_.address_delay;
        how.socket = this->options_.socket;
        if (this->options_.on_connection_event)
            how.tell = [self, where](connection_event e) {
                e.where = where;
                self->tell(std::move(e));
            };
        opening_ = std::make_shared<Transport>(this->executor_);
        opening_->async_open(
            hop, std::move(how), [self, number = number_, t = opening_](std::error_code error) {
                const lock_type l(self->mutex_);
                if (number != self->number_) return;
                self->opening_.reset();
                if (error) t->close();
                self->on_open(error, error ? nullptr : t, error ? details_of(*t) : std::string());
            });
    }

    transport_ptr opening_{};
    std::shared_ptr<layer_factory> layers_{}; // Of the options as they are; made when it is needed.
    std::uint64_t number_ = 0;                // Handlers of an earlier transport find another number.
};

} // namespace inflight::detail
