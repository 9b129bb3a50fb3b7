import assert from 'node:assert/strict';
import { DEVICES } from '../fixture/devices.ts';
import { formatDevices } from './format-ifconfig.ts';

describe('weft ifconfig prints', () => {
  it('devices as ifconfig does', () => {
    assert.equal(
      formatDevices(DEVICES),
      `flannel.1: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1450
        inet 10.5.100.0  netmask 255.255.255.255
        ether 42:a9:6e:0f:bd:7a  (Ethernet)
        vxlan id 1  port 8472  local 198.18.1.2  dev eth0  tx-checksum off
        RX packets 57  bytes 7054 (6.9 KiB)
        RX errors 0  dropped 1  overruns 0  frame 0
        TX packets 2000000  bytes 3000000000 (2.8 GiB)
        TX errors 0  dropped 2 overruns 0  carrier 0  collisions 0

flannel0: flags=4240<POINTOPOINT,NOARP,MULTICAST>  mtu 1472
        unspec  (TUN device of the weft daemon)
        udp  port 8285  local 198.18.1.2
        RX packets 57  bytes 7054 (6.9 KiB)
        RX errors 0  dropped 1  overruns 0  frame 0
        TX packets 2000000  bytes 3000000000 (2.8 GiB)
        TX errors 0  dropped 2 overruns 0  carrier 0  collisions 0

eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500
        inet 198.18.1.2  netmask 255.255.0.0
        inet6 fe80::1  prefixlen 64  scopeid 0x20<link>
        ether ae:1d:14:41:07:40  (Ethernet)
        RX packets 57  bytes 7054 (6.9 KiB)
        RX errors 0  dropped 1  overruns 0  frame 0
        TX packets 2000000  bytes 3000000000 (2.8 GiB)
        TX errors 0  dropped 2 overruns 0  carrier 0  collisions 0
`,
    );
  });
});
