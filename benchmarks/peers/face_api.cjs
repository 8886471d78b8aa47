// node face_api.cjs <folder with node_modules> <faces.bin> <answers.json>: face-api's expression network on 48x48 grey faces.
const fs = require('node:fs');
const path = require('node:path');

const CLASSES = ['angry', 'disgusted', 'fearful', 'happy', 'sad', 'surprised', 'neutral']; // in FER2013's order
const PIXELS = 48 * 48;

async function main(place, faces, answers) {
  const modules = path.join(place, 'node_modules');
  const tf = require(path.join(modules, '@tensorflow/tfjs'));
  const wasm = require(path.join(modules, '@tensorflow/tfjs-backend-wasm'));
  wasm.setWasmPaths(path.join(modules, '@tensorflow/tfjs-backend-wasm/dist/'));
  wasm.setThreadsCount(1);
  await tf.setBackend('wasm');
  await tf.ready();
  const faceapi = require(path.join(modules, '@vladmandic/face-api/dist/face-api.node-wasm.js'));
  await faceapi.nets.faceExpressionNet.loadFromDisk(path.join(modules, '@vladmandic/face-api/model'));

  async function answer(grey) {
    const image = tf.tidy(() => tf.tile(tf.tensor3d(grey, [48, 48, 1], 'int32'), [1, 1, 3]));
    const found = await faceapi.nets.faceExpressionNet.predictExpressions(image);
    image.dispose();
    return CLASSES.reduce((best, name, index) => (found[name] > found[CLASSES[best]] ? index : best), 0);
  }

  const pixels = fs.readFileSync(faces);
  const face = (index) => pixels.subarray(index * PIXELS, (index + 1) * PIXELS);
  await answer(face(0));
  const cold = 1000 * process.uptime();
  const found = { answers: [], milliseconds: [], cold_start_ms: cold };
  for (let index = 0; index < pixels.length / PIXELS; index++) {
    const started = performance.now();
    found.answers.push(await answer(face(index)));
    found.milliseconds.push(performance.now() - started);
  }
  // not resourceUsage().maxRSS, which is that of whoever started this process, if larger
  found.peak_mb = Number(/VmHWM:\s+(\d+) kB/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) / 1000;
  fs.writeFileSync(answers, JSON.stringify(found));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
