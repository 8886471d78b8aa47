// The picture goes from the browser into memory as a data URL: nothing is uploaded to a file.
const drop = () => element.querySelector('.fer-drop');
const send = (text) => {
  props.value = text;
  trigger('submit');
  // on a phone the answer stands below the choices
  if (window.innerWidth < 700) document.querySelector('#fer-shown').scrollIntoView({ behavior: 'smooth' });
};
const say = (text) => { element.querySelector('.fer-said').textContent = text; };
const take = (file) => {
  if (!file) return;
  if (file.size > props.bytes) return say(`This file is larger than ${props.bytes / 1e6} MB; make it smaller first.`);
  const reader = new FileReader();
  reader.onload = () => { say(''); send(reader.result); };
  reader.onerror = () => say('This file cannot be read.');
  reader.readAsDataURL(file);
};
element.addEventListener('change', (event) => {
  if (event.target.type !== 'file') return;
  take(event.target.files[0]);
  event.target.value = '';  // the same file may be chosen again
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-sample]');
  if (button) { say(''); send(`sample:${button.dataset.sample}`); }
});
for (const name of ['dragover', 'dragleave', 'drop']) element.addEventListener(name, (event) => {
  event.preventDefault();
  drop().classList.toggle('fer-over', name === 'dragover');
  if (name === 'drop') take(event.dataTransfer.files[0]);
});
document.addEventListener('paste', (event) => take(event.clipboardData.files[0]));
