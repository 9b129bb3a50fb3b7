// Ports of FOU against a scripted kernel: the module that comes only when it is loaded, rights that a user namespace has not.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { IpAddress } from '../../lib/address.ts';
import { FouPorts } from './fou-ports.ts';
import { CTRL_ATTR_FAMILY_ID, NLMSG_DONE, NLMSG_ERROR } from './netlink/constants.ts';
import { encodeFouAdd, type FouPort } from './netlink/fou.ts';
import { forEachMessage, MessageWriter } from './netlink/message.ts';

const FAMILY = 31;
const PORT: FouPort = { port: 8285, local: '10.9.0.1' as IpAddress };
const PORT6: FouPort = { port: 8285, local: '2001:db8::1' as IpAddress };
const GENL_ID_CTRL = 16;
const [ENOENT, EPERM] = [-2, -1];

/** The kernel with its module, which modprobe may load. */
class FakeKernel {
  isLoaded = false;
  ports: readonly FouPort[] = [];
  /** Answer to each change: 0 or a negative errno. */
  code = 0;
  readonly loads: string[] = [];

  open(options: { readonly canLoad?: boolean } = {}): FouPorts {
    return new FouPorts({
      timeoutMs: 100,
      runTool: (file, args) => {
        this.loads.push([file, ...args].join(' '));
        this.isLoaded = options.canLoad !== false;
        return Promise.resolve({ code: 0, stdout: '', stderr: '' });
      },
      openSocket: (_, handlers) => ({
        hasStrictCheck: true,
        receiveBytes: 1 << 20,
        send: (bytes) => {
          forEachMessage(bytes, (type, start) => {
            const answers = this.#answer(type, bytes[start + 16]!, bytes.readUInt32LE(start + 8));
            setImmediate(() => answers.forEach((answer) => handlers.onDatagram(answer)));
          });
        },
        close: () => undefined,
      }),
    });
  }

  #answer(type: number, command: number, sequence: number): readonly Buffer[] {
    if (type === GENL_ID_CTRL) return this.#family(sequence);
    if (command !== 3) return [ack(NLMSG_ERROR, this.code, sequence)];
    const dumped = this.ports.map((port) => encode((writer) => encodeFouAdd(writer, FAMILY, port), sequence));
    return [...dumped, ack(NLMSG_DONE, 0, sequence)];
  }

  #family(sequence: number): readonly Buffer[] {
    if (!this.isLoaded) return [ack(NLMSG_ERROR, ENOENT, sequence)];
    const family = encode((writer) => {
      writer.begin(GENL_ID_CTRL, 0, 4);
      writer.attributeU16(CTRL_ATTR_FAMILY_ID, FAMILY);
    }, sequence);
    return [family, ack(NLMSG_ERROR, 0, sequence)];
  }
}

function encode(write: (writer: MessageWriter) => void, sequence: number): Buffer {
  const writer = new MessageWriter(4096);
  writer.clear();
  write(writer);
  writer.end(sequence, 0);
  return Buffer.from(writer.bytes);
}

function ack(type: number, code: number, sequence: number): Buffer {
  const message = Buffer.alloc(36);
  message.writeUInt32LE(message.length);
  message.writeUInt16LE(type, 4);
  message.writeUInt32LE(sequence, 8);
  message.writeInt32LE(code, 16);
  return message;
}

describe('ports of FOU', () => {
  it('are none where the kernel has no FOU, and nothing is loaded to read them', async () => {
    const kernel = new FakeKernel();
    assert.deepEqual(await kernel.open().list(), []);
    assert.deepEqual(kernel.loads, []);
  });

  it('load their modules once an address family', async () => {
    const kernel = new FakeKernel();
    const ports = kernel.open();
    for (const port of [PORT, PORT, PORT6]) assert.deepEqual(await ports.ensure(port), { status: 'done' });
    assert.deepEqual(kernel.loads, ['modprobe -q -a fou ipip', 'modprobe -q -a fou fou6 ip6_tunnel']);
  });

  it('that exist are not made again, and load nothing', async () => {
    const kernel = new FakeKernel();
    Object.assign(kernel, { isLoaded: true, ports: [PORT, PORT6], code: EPERM });
    const ports = kernel.open();
    for (const port of [PORT, PORT6]) assert.deepEqual(await ports.ensure(port), { status: 'done' });
    assert.deepEqual(kernel.loads, []);
  });

  for (const [what, canLoad, code] of [
    ['without the module', false, 0],
    ['in a user namespace', true, EPERM],
  ] as const)
    it(`are not supported ${what}`, async () => {
      const kernel = new FakeKernel();
      kernel.code = code;
      const outcome = await kernel.open({ canLoad }).ensure(PORT);
      assert.ok(outcome.status === 'rejected' && outcome.errno === 'EOPNOTSUPP', JSON.stringify(outcome));
    });

  it('that are absent are removed already', async () => {
    const kernel = new FakeKernel();
    Object.assign(kernel, { isLoaded: true, code: EPERM });
    assert.deepEqual(await kernel.open().remove(PORT), { status: 'done' });
    kernel.ports = [PORT];
    assert.equal((await kernel.open().remove(PORT)).status, 'rejected');
  });
});
