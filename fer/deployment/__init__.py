"""From a finished run to files for devices: conversion, contract, gate, report, benchmark."""
