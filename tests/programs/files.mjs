/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Node.js's files say, for a transcript: synchronous calls, promises, streams. */
import fs from 'node:fs';
import { execFileSync, spawnSync } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';

const say = (...words) => console.log(words.join(' '));
const size = (name) => fs.statSync(name).size;

function synchronous() {
	let fd = fs.openSync('sync.data', 'w+');
	for (let i = 0; i < 500; i++) {
		fs.writeSync(fd, 'x'.repeat(i));
		if (i % 100 === 0) {
			fs.fdatasyncSync(fd);
			say('size', fs.fstatSync(fd).size, size('sync.data'));
		}
	}
	say(fs.writeSync(fd, 'at', 200000), fs.fstatSync(fd).size);
	say(fs.readSync(fd, Buffer.alloc(10), 0, 10, 200000), fs.readSync(fd, Buffer.alloc(10)));
	say(fs.writevSync(fd, [Buffer.from('one'), Buffer.from('two')]), fs.fstatSync(fd).size);
	fs.ftruncateSync(fd, 1000);
	say('cut', fs.fstatSync(fd).size);
	fs.ftruncateSync(fd, 5000);
	fs.writeSync(fd, 'after');
	say('grown', fs.fstatSync(fd).size);
	fs.closeSync(fd);

	fd = fs.openSync('append.data', fs.constants.O_WRONLY | fs.constants.O_CREAT |
		fs.constants.O_APPEND);
	for (let i = 0; i < 300; i++)
		fs.writeSync(fd, `line ${i}\n`);
	fs.writeSync(fd, 'a position that O_APPEND ignores\n', 0);
	say('appended', fs.fstatSync(fd).size);
	fs.ftruncateSync(fd, 10);
	fs.writeSync(fd, 'after the cut');
	say(fs.fstatSync(fd).size, fs.readFileSync('append.data', 'latin1'));
	spawnSync('echo', ['from a child'], { stdio: ['ignore', fd, 'inherit'] });
	fs.writeSync(fd, 'after the child');
	say(fs.fstatSync(fd).size);
	fs.closeSync(fd);
	for (let i = 0; i < 50; i++)
		fs.appendFileSync('append.data', 'more '.repeat(i));
	fs.truncateSync('append.data', 3000);
	say(size('append.data'));
	fs.copyFileSync('append.data', 'copy.data');
	fs.cpSync('append.data', 'cp.data', { preserveTimestamps: true });
	fs.renameSync('copy.data', 'renamed.data');
	say(execFileSync('wc', ['-c', 'renamed.data']));
}

async function promises() {
	const f = await fs.promises.open('promise.data', 'a+');
	for (let i = 0; i < 200; i++)
		await f.appendFile('y'.repeat(100 + i));
	say('promise', (await f.stat()).size);
	await f.datasync();
	await f.truncate(12345);
	await f.write('tail');
	say((await f.stat()).size, (await f.read(Buffer.alloc(100), 0, 100, 12340)).bytesRead);
	await f.close();
	/* In flight at once: they go to the threads of libuv, at their own positions. */
	const g = await fs.promises.open('parallel.data', 'w+');
	await Promise.all(Array.from({ length: 300 }, (_, i) =>
		g.write(Buffer.alloc(1000, 65 + i % 26), 0, 1000, i * 1000)));
	say('parallel', (await g.stat()).size);
	await g.sync();
	await g.utimes(1e9, 1e9);
	await g.chmod(0o640);
	const stat = await g.stat();
	say(stat.mtimeMs, stat.mode.toString(8));
	await g.close();
	await fs.promises.writeFile('whole.data', 'w'.repeat(300000));
	await fs.promises.writeFile('whole.data', 'shorter');
	await fs.promises.appendFile('whole.data', ', and more');
	say(await fs.promises.readFile('whole.data'), (await fs.promises.stat('whole.data')).size);
}

async function streams() {
	const lines = Array.from({ length: 3000 }, (_, i) => `a line, number ${i}\n`);
	await pipeline(Readable.from(lines), fs.createWriteStream('stream.data'));
	say('stream', size('stream.data'));
	await pipeline(Readable.from(lines), fs.createWriteStream('stream.data', { flags: 'a' }));
	say('appended', size('stream.data'));
	await pipeline(Readable.from(['HERE']),
		fs.createWriteStream('stream.data', { flags: 'r+', start: 1000 }));
	await pipeline(Readable.from(['FAR']),
		fs.createWriteStream('stream.data', { flags: 'r+', start: 400000 }));
	say('started', size('stream.data'));
	await pipeline(fs.createReadStream('stream.data', { start: 500 }),
		fs.createWriteStream('piped.data'));
	say('piped', size('piped.data'));
}

synchronous();
await promises();
await streams();
