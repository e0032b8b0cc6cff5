// The programs of the agents. Each counts the packets of one hook, and lets them pass.
//
// A client sends packets to the UDP port of a server, each from another port of its own, and the
// server answers. The client's port is the number of the packet.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// In the order of HOOKS in src/hooks.rs.
enum hook {
	XDP,
	INGRESS,
	EGRESS,
	CGROUP_INGRESS,
	CGROUP_EGRESS,
	SENDMSG,
	RECVMSG,
	LOOKUP,
	RECEIVED,
	QUEUED,
	HOOKS,
};

// The agent sets these before it loads the programs.
const volatile struct {
	// Which version of the agent this is: 0 or 1.
	__u32 version;
	// The server's.
	__u32 port;
} settings;

// How often a packet was counted: on each hook, by each version.
struct packet {
	__u32 counted[HOOKS][2];
};

// The map is pinned and outlives the agent: the next one counts in the same map.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 16);
	__type(key, __u32);
	__type(value, struct packet);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} packets SEC(".maps");

static __always_inline void count(enum hook hook, __u16 client)
{
	__u32 key = client;
	struct packet *packet = bpf_map_lookup_elem(&packets, &key);

	if (packet)
		__sync_fetch_and_add(&packet->counted[hook][settings.version & 1], 1);
}

// The headers of a packet without options.
struct headers {
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

static __always_inline void count_headers(enum hook hook, const struct headers *headers,
					  bool is_answer)
{
	__be16 server = is_answer ? headers->udp.source : headers->udp.dest;
	__be16 client = is_answer ? headers->udp.dest : headers->udp.source;

	if (headers->ip.version == 4 && headers->ip.ihl == 5 &&
	    headers->ip.protocol == IPPROTO_UDP && server == bpf_htons(settings.port))
		count(hook, bpf_ntohs(client));
}

static __always_inline void count_packet(enum hook hook, __u32 data, __u32 end, bool is_answer)
{
	const struct headers *headers = (void *)(long)data;

	if ((void *)(headers + 1) <= (void *)(long)end)
		count_headers(hook, headers, is_answer);
}

static __always_inline void count_frame(enum hook hook, __u32 data, __u32 end, bool is_answer)
{
	const struct ethhdr *ethernet = (void *)(long)data;
	const struct headers *headers = (void *)(ethernet + 1);

	if ((void *)(headers + 1) <= (void *)(long)end &&
	    ethernet->h_proto == bpf_htons(ETH_P_IP))
		count_headers(hook, headers, is_answer);
}

SEC("xdp")
int agent_xdp(struct xdp_md *context)
{
	count_frame(XDP, context->data, context->data_end, false);
	return XDP_PASS;
}

// TCX_NEXT: the next program on the hook decides.
#define NEXT -1

SEC("classifier")
int agent_ingress(struct __sk_buff *context)
{
	count_frame(INGRESS, context->data, context->data_end, false);
	return NEXT;
}

SEC("classifier")
int agent_egress(struct __sk_buff *context)
{
	count_frame(EGRESS, context->data, context->data_end, true);
	return NEXT;
}

// What programs of cgroups return.
#define ALLOW 1

SEC("cgroup_skb/ingress")
int agent_cg_in(struct __sk_buff *context)
{
	count_packet(CGROUP_INGRESS, context->data, context->data_end, false);
	return ALLOW;
}

SEC("cgroup_skb/egress")
int agent_cg_out(struct __sk_buff *context)
{
	count_packet(CGROUP_EGRESS, context->data, context->data_end, true);
	return ALLOW;
}

// Nothing but the server is in the cgroup, so that every message there is counted.
SEC("cgroup/sendmsg4")
int agent_sendmsg(struct bpf_sock_addr *context)
{
	count(SENDMSG, bpf_ntohs(context->user_port));
	return ALLOW;
}

SEC("cgroup/recvmsg4")
int agent_recvmsg(struct bpf_sock_addr *context)
{
	count(RECVMSG, bpf_ntohs(context->user_port));
	return ALLOW;
}

SEC("sk_lookup")
int agent_lookup(struct bpf_sk_lookup *context)
{
	if (context->protocol == IPPROTO_UDP && context->local_port == settings.port)
		count(LOOKUP, bpf_ntohs(context->remote_port));
	return SK_PASS;
}

// The fields that are read. The loader finds their offsets in the BTF of the running kernel.
struct sk_buff {
	unsigned char *head;
	unsigned char *data;
	__u16 network_header;
} __attribute__((preserve_access_index));

static __always_inline void count_from_kernel(enum hook hook, const void *from, bool is_answer)
{
	struct headers headers;

	if (!bpf_probe_read_kernel(&headers, sizeof(headers), from))
		count_headers(hook, &headers, is_answer);
}

SEC("raw_tp/netif_receive_skb")
int agent_received(struct bpf_raw_tracepoint_args *context)
{
	struct sk_buff *skb = (void *)context->args[0];

	count_from_kernel(RECEIVED, BPF_CORE_READ(skb, data), false);
	return 0;
}

// What /sys/kernel/tracing/events/net/net_dev_queue/format says.
struct net_dev_queue {
	__u64 common;
	struct sk_buff *skb;
};

SEC("tracepoint/net/net_dev_queue")
int agent_queued(struct net_dev_queue *context)
{
	struct sk_buff *skb = context->skb;
	unsigned char *head = BPF_CORE_READ(skb, head);

	count_from_kernel(QUEUED, head + BPF_CORE_READ(skb, network_header), true);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
