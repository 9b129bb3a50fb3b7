import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { describe, it } from 'mocha';
import { loadNative } from './index.ts';

describe('native addon', () => {
  const loaded = loadNative();

  it('is loaded once, or says why not', () => {
    assert.equal(loadNative(), loaded);
    if (loaded.native === undefined) assert.match(loaded.reason, /weft\.node/);
  });

  const { native } = loaded;
  // Without a C compiler there is no addon, whose functions the rest calls.
  if (native === undefined) return;

  for (const [what, path, text, code] of [
    ['a socket that is not there', '/nonexistent/notify', 'READY=1', 'ENOENT'],
    ['an abstract socket that is not there', '@weft-test-absent', 'READY=1', 'ECONNREFUSED'],
    ['an empty path', '', 'READY=1', 'ENAMETOOLONG'],
    ['a path longer than sun_path', '/'.repeat(108), 'READY=1', 'ENAMETOOLONG'],
    ['a text of 4 KiB', '@weft-test-absent', 'x'.repeat(4096), 'EMSGSIZE'],
  ] as const)
    it(`sendDatagram to ${what}: ${code}`, () => {
      assert.throws(
        () => native.sendDatagram(path, text),
        (error: NodeJS.ErrnoException) => {
          assert.deepEqual([error.code, error.syscall], [code, 'sendmsg']);
          assert.ok(error.errno! < 0);
          return true;
        },
      );
    });

  it('sendDatagram refuses what is no descriptor, and too many', () => {
    const send = (fds: unknown) => () => native.sendDatagram('@weft-test-absent', 'x', fds as number[]);
    assert.throws(send(['1']), TypeError);
    assert.throws(send(Array.from({ length: 17 }, () => 0)), TypeError);
    assert.throws(send([-1]), { code: 'EBADF' });
    assert.throws(send([0]), { code: 'ECONNREFUSED' });
  });

  it('touches no descriptor that is no netlink socket', () => {
    assert.equal(native.setNetlinkOptions(1, 1, 4096), false);
    assert.equal(native.setNetlinkOptions(-1, 1, 4096), false);
    assert.throws(() => native.countNetlinkDrops(-1), { code: 'EBADF' });
    assert.throws(() => native.readNetlink(-1, Buffer.alloc(8), 8), { code: 'EBADF' });
    assert.equal(native.readNetlink(-1, Buffer.alloc(8), 9), 0);
    assert.throws(() => native.setNetlinkOptions('1' as unknown as number, 1, 1), TypeError);
    assert.throws(() => native.sendNetlink(-1, Buffer.alloc(8), () => undefined), { code: 'EBADF' });
    assert.throws(() => native.sendNetlink(1, Buffer.alloc(8), 'x' as never), TypeError);
  });

  it('sendNetlink says of each datagram that was not taken why', async () => {
    const file = openSync('/dev/null', 'w');
    const errors: string[] = [];
    await new Promise<void>((resolve) => {
      const onError = (name: string) => (message: string) => {
        errors.push(`${name}: ${message}`);
        if (errors.length === 2) resolve();
      };
      native.sendNetlink(file, Buffer.alloc(8), onError('first'));
      native.sendNetlink(file, Buffer.alloc(8), onError('second'));
      closeSync(file);
    });
    const why = 'Socket operation on non-socket';
    assert.deepEqual(errors, [`first: ${why}`, `second: ${why}`]);
  });

  it('opens a socket for notifications, and touches none that is closed', () => {
    const watch = native.openNetlinkWatch(0, [1], () => undefined);
    assert.ok(watch.fd > 2 && watch.port > 0);
    assert.equal(native.readNetlink(watch.fd, Buffer.alloc(8192), 8192), 0);
    native.armNetlinkWatch(watch);
    native.closeNetlinkWatch(watch);
    assert.throws(() => native.armNetlinkWatch(watch), TypeError);
    assert.throws(() => native.closeNetlinkWatch(watch), TypeError);
    assert.throws(() => native.closeNetlinkWatch({ fd: 1, port: 1 }), TypeError);
    assert.throws(() => native.openNetlinkWatch(9999, [], () => undefined), { code: 'EPROTONOSUPPORT' });
    assert.throws(() => native.openNetlinkWatch(0, [99_999], () => undefined), { code: 'EINVAL' });
    assert.throws(() => native.openNetlinkWatch(0, 'x' as never, () => undefined), TypeError);
  });
});
