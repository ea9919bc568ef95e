// A click on the plane, and what the network then says of the point.
const canvas = document.querySelector("#trial .plane");
const box = canvas.getBoundingClientRect();
const [clientX, clientY] = [box.left + 0.25 * box.width, box.top + 0.6 * box.height];
canvas.dispatchEvent(new MouseEvent("click", { clientX, clientY, bubbles: true }));
const pixel = canvas.getContext("2d").getImageData(2, 2, 1, 1).data;
result = {
  typed: [...document.querySelectorAll("#trial .fields input")].map((field) => Number(field.value)),
  chances: [...document.querySelectorAll("#trial .probabilities .number")].map((e) => parseFloat(e.textContent)),
  blueish: pixel[2] > pixel[0],
};
