// inflight/codec.hpp - layer 1: bytes to packets and back, MQTT 3.1.1 and 5.0. Includes the whole layer.
#pragma once

#include <inflight/codec/any_packet.hpp>
#include <inflight/codec/bytes_view.hpp>
#include <inflight/codec/credentials.hpp>
#include <inflight/codec/decode.hpp>
#include <inflight/codec/encode.hpp>
#include <inflight/codec/error.hpp>
#include <inflight/codec/error_condition.hpp>
#include <inflight/codec/message.hpp>
#include <inflight/codec/message_properties.hpp>
#include <inflight/codec/packet.hpp>
#include <inflight/codec/print.hpp>
#include <inflight/codec/property.hpp>
#include <inflight/codec/topic.hpp>
#include <inflight/codec/topic_tree.hpp>
#include <inflight/codec/types.hpp>
#include <inflight/codec/wire.hpp>
