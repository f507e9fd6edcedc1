pragma circom 2.0.0;

// 0 <= value < width: the value is its bits, and at the leading ones of width - 1 it may not be greater.
template InRange(bits, width) {
    signal input value;
    signal bit[bits];
    signal equalDownTo[bits + 1];
    var sum = 0;
    for (var i = 0; i < bits; i++) {
        bit[i] <-- (value >> i) & 1;
        bit[i] * (bit[i] - 1) === 0;
        sum += bit[i] * (1 << i);
    }
    sum === value;

    // equalDownTo[i] is 1 as long as no bit from the top down to i was smaller than that of width - 1.
    equalDownTo[bits] <== 1;
    for (var i = bits - 1; i >= 0; i--) {
        var top = width - 1;
        var below = (1 << i) - 1;
        if ((top >> i) & 1 == 0) {
            bit[i] * equalDownTo[i + 1] === 0;
            equalDownTo[i] <== equalDownTo[i + 1];
        } else if ((top & below) != below) {
            equalDownTo[i] <== equalDownTo[i + 1] * bit[i];
        } else {
            equalDownTo[i] <== 0; // only ones follow: nothing more to compare
        }
    }
}

// A private column, each value in range, and its public total.
template Column(count, bits, width) {
    signal input value[count];
    signal output total;
    component inRange[count];
    var sum = 0;
    for (var i = 0; i < count; i++) {
        inRange[i] = InRange(bits, width);
        inRange[i].value <== value[i];
        sum += value[i];
    }
    total <== sum;
}
