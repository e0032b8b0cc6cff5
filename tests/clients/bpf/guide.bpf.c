// The programs that the guides load. They let every packet pass.

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int count(struct xdp_md *packet)
{
	(void)packet;
	return XDP_PASS;
}

SEC("classifier")
int classify(struct __sk_buff *packet)
{
	(void)packet;
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
